using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Overflow;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Inference.Wire;
using Dormouse.Server.Tests.Gateway;
using Dormouse.Server.Tests.Grpc;
using Google.Protobuf;
using Grpc.Core;

namespace Dormouse.Server.Tests.Overflow;

/// <summary>gRPC inferences for which there is no capacity go to a server like this one, as their bytes.</summary>
public sealed class GrpcOverflowTests : IAsyncLifetime
{
    private GatewayHost _here = null!;
    private GatewayHost _there = null!;
    private GrpcCaller _caller = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _here = await GatewayHost.StartAsync();
        _there = await GatewayHost.StartAsync(serverId: new("01990000-0000-7000-8000-000000000002"));
        _here.Driver.HoldRuns();
        _there.Add("digits", isPublic: true);
        _caller = new GrpcCaller(_here);
    }

    public async ValueTask DisposeAsync()
    {
        _caller.Dispose();
        await _here.DisposeAsync();
        await _there.DisposeAsync();
    }

    [Fact]
    public async Task A_message_is_answered_by_the_other_server_and_leaves_a_receipt_on_both()
    {
        byte[]? seen = null;
        string? head = null;
        _there.Driver.Play = run =>
        {
            var request = run.Context.Request;
            (seen, head) = (run.Body, $"{request.Path} {request.ContentType} {request.Headers["Dormouse-Model-Name"]}");
            return FakeInstance.AnswerAsync(run.Context, 200, "application/x-protobuf", new ModelInferResponse { ModelName = "digits", Id = "7" }.ToByteArray());
        };
        await using var full = await FullEndpoint.MakeAsync(_here, Spec(Authority(_there)));
        var message = new ModelInferRequest { ModelName = "digits", Id = "7", RawInputContents = { ByteString.CopyFrom(new byte[2 << 20]) } };

        using var call = _caller.Call(GrpcCaller.ModelInfer, message);
        var answer = await call;
        var headers = await call.ResponseHeadersAsync;

        Assert.Equal("7", answer.Id);
        Assert.Equal(message.ToByteArray(), seen);
        Assert.Equal("/infer application/x-protobuf digits", head);
        Assert.Equal(("overflow", _there.Http.Authority), (headers.GetValue("dormouse-start"), headers.GetValue("dormouse-overflow")));
        var here = Assert.Single(_here.Journal.Receipts);
        Assert.Equal((StartKind.Overflow, Outcome.Completed, 0L), (here.Start, here.Outcome, here.MeteredMicroseconds));
        Assert.Equal(here.Invocation.ToString(), headers.GetValue("dormouse-invocation-id"));
        Assert.Single(_there.Journal.Receipts);
    }

    [Fact]
    public async Task A_refusal_of_the_model_there_is_the_callers()
    {
        _there.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 400, "application/json", """{"status":400,"code":"input_invalid","detail":"no input 'z'"}"""u8.ToArray());
        await using var full = await FullEndpoint.MakeAsync(_here, Spec(Authority(_there)));

        var refused = await _caller.FailAsync(GrpcCaller.ModelInfer, new ModelInferRequest { ModelName = "digits" });

        Assert.Equal((StatusCode.InvalidArgument, "no input 'z'"), (refused.StatusCode, refused.Status.Detail));
        Assert.Equal(Outcome.Rejected, Assert.Single(_here.Journal.Receipts).Outcome);
    }

    [Theory]
    [InlineData("", "1")]
    [InlineData("/v2/models/digits/infer", "")]
    public async Task What_names_its_revision_and_what_would_go_to_another_program_stays(string path, string version)
    {
        await using var full = await FullEndpoint.MakeAsync(_here, Spec(Authority(_there) + path));

        var refused = await _caller.FailAsync(GrpcCaller.ModelInfer, new ModelInferRequest { ModelName = "digits", ModelVersion = version });

        Assert.Equal((StatusCode.ResourceExhausted, "concurrency_limit_reached"), (refused.StatusCode, refused.Trailers.GetValue("dormouse-code")));
        Assert.Equal(0, _there.Driver.Started);
    }

    [Fact]
    public async Task Each_message_of_a_stream_goes_its_own_way()
    {
        _there.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 200, "application/x-protobuf", new ModelInferResponse { Id = "there" }.ToByteArray());
        await using var full = await FullEndpoint.MakeAsync(_here, Spec(Authority(_there)));
        using var stream = _caller.Invoker.AsyncDuplexStreamingCall(GrpcCaller.ModelStreamInfer, null, new CallOptions(GrpcCaller.Key, cancellationToken: Cancellation));

        await stream.RequestStream.WriteAsync(new ModelInferRequest { ModelName = "digits" }, Cancellation);
        Assert.True(await stream.ResponseStream.MoveNext(Cancellation));
        var away = stream.ResponseStream.Current;
        await stream.RequestStream.WriteAsync(new ModelInferRequest { ModelName = "digits", ModelVersion = "1" }, Cancellation);
        Assert.True(await stream.ResponseStream.MoveNext(Cancellation));
        await stream.RequestStream.CompleteAsync();

        Assert.Equal("there", away.InferResponse.Id);
        Assert.Contains("is full", stream.ResponseStream.Current.ErrorMessage, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_is_down_leaves_the_refusal_as_it_is()
    {
        await using var full = await FullEndpoint.MakeAsync(_here, Spec("http://127.0.0.1:1"));

        var refused = await _caller.FailAsync(GrpcCaller.ModelInfer, new ModelInferRequest { ModelName = "digits" });

        Assert.Equal("concurrency_limit_reached", refused.Trailers.GetValue("dormouse-code"));
        Assert.Empty(_here.Journal.Receipts);
    }

    private static string Authority(GatewayHost host) => host.Http.GetLeftPart(UriPartial.Authority);

    private static RevisionSpec Spec(string url) => GatewayHost.Spec() with { QueueLimit = 1, Overflow = new OverflowPolicy(url, 5, null, null) };
}
