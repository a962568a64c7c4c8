using System.Text;
using Dormouse.Core.Instances;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Inference.Wire;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Grpc;
using Dormouse.Server.Tests.Gateway;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Health.V1;

namespace Dormouse.Server.Tests.Grpc;

public sealed class GrpcTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_inference_passes_as_bytes_and_says_how_it_started()
    {
        await using var host = await GatewayHost.StartAsync();
        byte[]? seen = null;
        string? type = null;
        host.Driver.Play = run =>
        {
            (seen, type) = (run.Body, run.Context.Request.ContentType);
            return FakeInstance.AnswerAsync(run.Context, 200, "application/x-protobuf", new ModelInferResponse { ModelName = "digits", Id = "7" }.ToByteArray());
        };
        host.Add("digits");
        using var caller = new GrpcCaller(host);
        var request = new ModelInferRequest { ModelName = "digits", Id = "7", RawInputContents = { ByteString.CopyFrom(new byte[6 << 20]) } };

        using var call = caller.Call(GrpcCaller.ModelInfer, request);
        var answer = await call;
        var headers = await call.ResponseHeadersAsync;

        Assert.Equal("7", answer.Id);
        Assert.Equal(request.ToByteArray(), seen);
        Assert.Equal("application/x-protobuf", type);
        Assert.Equal("cold; cause=first; rung=pool", headers.GetValue("dormouse-start"));
        Assert.Contains("run;dur=0.25", headers.GetValue("server-timing"), StringComparison.Ordinal);
        var receipt = Assert.Single(host.Journal.Receipts);
        Assert.Equal(receipt.Invocation.ToString(), headers.GetValue("dormouse-invocation-id"));
        Assert.Equal((Outcome.Completed, 250), (receipt.Outcome, receipt.Times.RunMicroseconds));
    }

    [Fact]
    public async Task A_deadline_that_cannot_be_kept_has_the_protocols_status()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");
        using var caller = new GrpcCaller(host);

        var refused = await caller.FailAsync(
            GrpcCaller.ModelInfer, new ModelInferRequest { ModelName = "digits" }, new Metadata { { "authorization", "Bearer " + GatewayHost.AdminKey }, { "dormouse-deadline", "0ms" } });

        Assert.Equal(StatusCode.DeadlineExceeded, refused.StatusCode);
        Assert.Empty(host.Journal.Receipts);
    }

    [Fact]
    public async Task Refusals_have_the_protocols_status_and_the_catalogues_code()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");
        using var caller = new GrpcCaller(host);
        var request = new ModelInferRequest { ModelName = "digits" };

        var absent = await caller.FailAsync(GrpcCaller.ModelInfer, new ModelInferRequest { ModelName = "absent" });
        var version = await caller.FailAsync(GrpcCaller.ModelInfer, new ModelInferRequest { ModelName = "digits", ModelVersion = "9" });
        var noKey = await caller.FailAsync(GrpcCaller.ModelInfer, request, []);
        var wrongKey = await caller.FailAsync(GrpcCaller.ModelInfer, request, new Metadata { { "authorization", "Bearer dm_nobody" } });
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 400, "application/json", """{"status":400,"code":"input_invalid","detail":"no input 'z'"}"""u8.ToArray());
        var input = await caller.FailAsync(GrpcCaller.ModelInfer, request);

        Assert.Equal((StatusCode.NotFound, "endpoint_not_found"), (absent.StatusCode, absent.Trailers.GetValue("dormouse-code")));
        Assert.Equal((StatusCode.NotFound, "revision_not_found"), (version.StatusCode, version.Trailers.GetValue("dormouse-code")));
        Assert.Equal((StatusCode.Unauthenticated, "key_missing"), (noKey.StatusCode, noKey.Trailers.GetValue("dormouse-code")));
        Assert.Equal((StatusCode.Unauthenticated, "key_invalid"), (wrongKey.StatusCode, wrongKey.Trailers.GetValue("dormouse-code")));
        Assert.Equal((StatusCode.InvalidArgument, "no input 'z'"), (input.StatusCode, input.Status.Detail));
        Assert.NotNull(input.Trailers.GetValue("dormouse-invocation-id"));
    }

    [Fact]
    public async Task A_crash_is_retried_and_memory_loss_is_told()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.Play = run => run.Instance.Id.Number == 1
            ? host.Driver.LoseAsync(run.Instance.Id, InstanceLossKind.Crashed)
            : FakeInstance.AnswerAsync(run.Context, 200, "application/x-protobuf", new ModelInferResponse { Id = "2" }.ToByteArray());
        host.Add("digits");
        using var caller = new GrpcCaller(host);

        var answer = await caller.Call(GrpcCaller.ModelInfer, new ModelInferRequest { ModelName = "digits" });
        host.Driver.Play = run => host.Driver.LoseAsync(run.Instance.Id, InstanceLossKind.MemoryExceeded);
        var memory = await caller.FailAsync(GrpcCaller.ModelInfer, new ModelInferRequest { ModelName = "digits" });

        Assert.Equal("2", answer.Id);
        Assert.Equal((StatusCode.ResourceExhausted, "memory_exceeded"), (memory.StatusCode, memory.Trailers.GetValue("dormouse-code")));
    }

    [Fact]
    public async Task A_run_over_its_limit_is_told_and_a_caller_who_leaves_is_still_metered()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        host.Add("digits", GatewayHost.Spec() with { Timeout = TimeSpan.FromSeconds(10) });
        using var caller = new GrpcCaller(host);
        using var leaving = new CancellationTokenSource();

        using var left = caller.Call(GrpcCaller.ModelInfer, new ModelInferRequest { ModelName = "digits" }, leaving: leaving.Token);
        var first = await host.Driver.NextRunAsync(Cancellation);
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<RpcException>(async () => await left);
        await Conditions.UntilAsync(() => host.Service<CallersLeft>().Count == 1, "the server noticed that its caller left");
        first.Release();
        Assert.Equal(Outcome.CallerLeft, (await host.Journal.NextReceiptAsync(Cancellation)).Outcome);

        var late = caller.FailAsync(GrpcCaller.ModelInfer, new ModelInferRequest { ModelName = "digits" });
        await host.Driver.NextRunAsync(Cancellation);
        host.Time.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal(StatusCode.DeadlineExceeded, (await late).StatusCode);
    }

    [Fact]
    public async Task A_stream_answers_in_order_over_several_models_and_outlives_an_error()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.Play = run => FakeInstance.AnswerAsync(
            run.Context, 200, "application/x-protobuf",
            new ModelInferResponse { ModelName = run.Context.Request.Headers["Dormouse-Model-Name"], Id = ModelInferRequest.Parser.ParseFrom(run.Body).Id }.ToByteArray());
        host.Add("one");
        host.Add("two");
        using var caller = new GrpcCaller(host);
        using var stream = caller.Invoker.AsyncDuplexStreamingCall(GrpcCaller.ModelStreamInfer, null, new CallOptions(GrpcCaller.Key, cancellationToken: Cancellation));

        string[] models = ["one", "absent", "two", "one"];
        foreach (var (model, id) in models.Select((m, i) => (m, i)))
        {
            await stream.RequestStream.WriteAsync(new ModelInferRequest { ModelName = model, Id = $"{id}" }, Cancellation);
        }

        await stream.RequestStream.CompleteAsync();
        List<ModelStreamInferResponse> answers = [];
        await foreach (var answer in stream.ResponseStream.ReadAllAsync(Cancellation))
        {
            answers.Add(answer);
        }

        Assert.Equal(["one0", "", "two2", "one3"], answers.Select(a => a.InferResponse?.ModelName + a.InferResponse?.Id));
        Assert.Contains("absent", answers[1].ErrorMessage, StringComparison.Ordinal);
        Assert.All((int[])[0, 2, 3], i => Assert.Equal("", answers[i].ErrorMessage));
    }

    [Fact]
    public async Task The_small_calls_start_nothing()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");
        using var caller = new GrpcCaller(host);

        Assert.True((await caller.Call(GrpcCaller.ServerLive, new ServerLiveRequest(), [])).Live);
        Assert.True((await caller.Call(GrpcCaller.ServerReady, new ServerReadyRequest(), [])).Ready);
        Assert.True((await caller.Call(GrpcCaller.ModelReady, new ModelReadyRequest { Name = "digits" })).Ready);
        Assert.False((await caller.Call(GrpcCaller.ModelReady, new ModelReadyRequest { Name = "absent" })).Ready);
        Assert.Equal("dormouse", (await caller.Call(GrpcCaller.ServerMetadata, new ServerMetadataRequest())).Name);
        var metadata = await caller.Call(GrpcCaller.ModelMetadata, new ModelMetadataRequest { Name = "digits" });
        Assert.Equal(("digits", "x", "FP32"), (metadata.Name, metadata.Inputs[0].Name, metadata.Inputs[0].Datatype));
        Assert.Equal([-1, 4], metadata.Inputs[0].Shape);
        Assert.Equal(StatusCode.Unauthenticated, (await caller.FailAsync(GrpcCaller.ServerMetadata, new ServerMetadataRequest(), [])).StatusCode);
        Assert.Equal(0, host.Driver.Started);
    }

    [Fact]
    public async Task The_repository_lists_loads_and_unloads()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");
        using var caller = new GrpcCaller(host);

        await caller.Call(GrpcCaller.Unload, new RepositoryModelUnloadRequest { ModelName = "digits" });
        var index = await caller.Call(GrpcCaller.RepositoryIndex, new RepositoryIndexRequest());
        var refused = await caller.FailAsync(GrpcCaller.ModelInfer, new ModelInferRequest { ModelName = "digits" });
        var file = new RepositoryModelLoadRequest { ModelName = "digits", Parameters = { ["file:1/model.onnx"] = new ModelRepositoryParameter { StringParam = "x" } } };
        var unsupported = await caller.FailAsync(GrpcCaller.Load, file);
        await caller.Call(GrpcCaller.Load, new RepositoryModelLoadRequest { ModelName = "digits" });
        var ready = await caller.Call(GrpcCaller.RepositoryIndex, new RepositoryIndexRequest { Ready = true });

        Assert.Equal(("UNAVAILABLE", "unloaded"), (index.Models[0].State, index.Models[0].Reason));
        Assert.Equal(StatusCode.Unavailable, refused.StatusCode);
        Assert.Equal(StatusCode.Unimplemented, unsupported.StatusCode);
        Assert.Equal("READY", Assert.Single(ready.Models).State);
    }

    [Fact]
    public async Task Health_is_served_under_the_standard_service()
    {
        await using var host = await GatewayHost.StartAsync();
        using var channel = global::Grpc.Net.Client.GrpcChannel.ForAddress(host.Grpc);
        var health = new Health.HealthClient(channel);

        var all = await health.CheckAsync(new HealthCheckRequest(), cancellationToken: Cancellation);
        var one = await health.CheckAsync(new HealthCheckRequest { Service = "inference.GRPCInferenceService" }, cancellationToken: Cancellation);
        using var watch = health.Watch(new HealthCheckRequest(), cancellationToken: Cancellation);

        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, all.Status);
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, one.Status);
        Assert.True(await watch.ResponseStream.MoveNext(Cancellation));
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, watch.ResponseStream.Current.Status);
    }

    [Fact]
    public void Every_row_of_the_catalogue_has_a_status()
    {
        Assert.All(ProblemCode.All.Values, code => Assert.NotEqual(StatusCode.OK, GrpcProblems.StatusOf(code)));
        Assert.Equal(StatusCode.PermissionDenied, GrpcProblems.StatusOf(ProblemCode.ScopeMissing));
        Assert.Equal(StatusCode.Unimplemented, GrpcProblems.StatusOf(ProblemCode.NotSupported));
        Assert.Equal(StatusCode.Internal, GrpcProblems.StatusOf(ProblemCode.RunFailed));
        Assert.Equal(StatusCode.Unavailable, GrpcProblems.StatusOf(ProblemCode.WorkerCrashed));
        Assert.Equal(ProblemCode.Internal, GrpcProblems.Of(Encoding.UTF8.GetBytes("no json"), 500).Code);
    }
}
