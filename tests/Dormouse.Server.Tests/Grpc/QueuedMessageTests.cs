using System.Net;
using Dormouse.Protocol.Inference.Wire;
using Dormouse.Server.Queues;
using Dormouse.Server.Tests.Gateway;
using Google.Protobuf;
using Grpc.Core;

namespace Dormouse.Server.Tests.Grpc;

/// <summary>Inferences over gRPC that are queued.</summary>
public sealed class QueuedMessageTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static ModelInferRequest Request { get; } = new() { ModelName = "digits", Id = "7", RawInputContents = { ByteString.CopyFrom(1, 2, 3) } };

    [Fact]
    public async Task A_message_is_queued_and_its_answer_is_fetched_as_one()
    {
        await using var host = await StartAsync();
        var seen = new TaskCompletionSource<(byte[] Body, string? Type)>();
        host.Driver.Play = run =>
        {
            seen.TrySetResult((run.Body, run.Context.Request.ContentType));
            return FakeInstance.AnswerAsync(run.Context, 200, "application/x-protobuf", new ModelInferResponse { ModelName = "digits", Id = "7" }.ToByteArray());
        };
        host.Add("digits");
        using var caller = new GrpcCaller(host);

        using var call = caller.Call(GrpcCaller.ModelInfer, Request, Asking());
        var accepted = await call;
        using var result = await host.Client.GetAsync($"/api/v1/invocations/{accepted.Id}/result?wait=30s", Cancellation);

        Assert.Equal((await call.ResponseHeadersAsync).GetValue("dormouse-invocation-id"), accepted.Id);
        Assert.Equal(("digits", "queued"), (accepted.ModelName, accepted.Parameters["dormouse_state"].StringParam));
        Assert.Empty(accepted.Outputs);
        var (body, type) = await seen.Task;
        Assert.Equal(Request.ToByteArray(), body);
        Assert.Equal("application/x-protobuf", type);
        Assert.Equal(HttpStatusCode.OK, result.StatusCode);
        Assert.Equal("7", ModelInferResponse.Parser.ParseFrom(await result.Content.ReadAsByteArrayAsync(Cancellation)).Id);
    }

    [Fact]
    public async Task The_same_key_is_the_same_invocation()
    {
        await using var host = await StartAsync();
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 200, "application/x-protobuf", []);
        host.Add("digits");
        using var caller = new GrpcCaller(host);

        var first = await caller.Call(GrpcCaller.ModelInfer, Request, Asking(("idempotency-key", "a")));
        using var call = caller.Call(GrpcCaller.ModelInfer, Request, Asking(("idempotency-key", "a")));
        var again = await call;
        var reused = await caller.FailAsync(GrpcCaller.ModelInfer, new ModelInferRequest(Request) { Id = "8" }, Asking(("idempotency-key", "a")));

        Assert.Equal(first.Id, again.Id);
        Assert.Equal("true", (await call.ResponseHeadersAsync).GetValue("dormouse-replayed"));
        Assert.Equal("idempotency_key_reused", reused.Trailers.GetValue("dormouse-code"));
    }

    [Fact]
    public async Task What_cannot_be_queued_is_refused()
    {
        await using var host = await StartAsync(new() { ["DORMOUSE_QUEUES__BODY_LIMIT"] = "1KiB" });
        host.Add("digits", isPublic: true);
        using var caller = new GrpcCaller(host);

        Assert.Equal(StatusCode.InvalidArgument, (await caller.FailAsync(GrpcCaller.ModelInfer, Request, Asking(mode: "later"))).StatusCode);
        Assert.Equal(StatusCode.InvalidArgument, (await caller.FailAsync(GrpcCaller.ModelInfer, Request, Asking(("dormouse-attempts", "0")))).StatusCode);
        Assert.Equal(StatusCode.Unauthenticated, (await caller.FailAsync(GrpcCaller.ModelInfer, Request, new Metadata { { "dormouse-mode", "async" } })).StatusCode);
        var tooLong = await caller.FailAsync(GrpcCaller.ModelInfer, new ModelInferRequest(Request) { RawInputContents = { ByteString.CopyFrom(new byte[2_000]) } }, Asking());
        Assert.Equal(StatusCode.ResourceExhausted, tooLong.StatusCode);
        Assert.Contains("queues.body_limit", tooLong.Status.Detail, StringComparison.Ordinal);
    }

    private static async Task<GatewayHost> StartAsync(Dictionary<string, string>? settings = null)
    {
        var host = await GatewayHost.StartAsync(settings, storesQueue: true);
        host.Service<QueueLoop>().Start();
        return host;
    }

    private static Metadata Asking(params (string Name, string Value)[] more) => Asking("async", more);

    private static Metadata Asking(string mode, params (string Name, string Value)[] more)
    {
        var metadata = new Metadata { { "authorization", "Bearer " + GatewayHost.AdminKey }, { "dormouse-mode", mode } };
        foreach (var (name, value) in more)
        {
            metadata.Add(name, value);
        }

        return metadata;
    }
}
