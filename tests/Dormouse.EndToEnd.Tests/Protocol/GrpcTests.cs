using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;
using Dormouse.Protocol.Inference.Wire;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Dormouse.EndToEnd.Tests.Protocol;

/// <summary>The gRPC side with the messages of the published file.</summary>
public sealed class GrpcTests(EchoFixture fixture) : IClassFixture<EchoFixture>
{
    private static readonly float[] Numbers = [1, 2];
    private static readonly string[] Texts = ["a"];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private RunningServer Server => fixture.Server;

    [Fact]
    public async Task The_six_calls_of_the_protocol_answer()
    {
        using var grpc = new GrpcCaller(Server);

        var live = await grpc.CallAsync("ServerLive", new ServerLiveRequest(), ServerLiveResponse.Parser, Cancelled);
        var ready = await grpc.CallAsync("ServerReady", new ServerReadyRequest(), ServerReadyResponse.Parser, Cancelled);
        var model = await grpc.CallAsync("ModelReady", new ModelReadyRequest { Name = "echo" }, ModelReadyResponse.Parser, Cancelled);
        var unknown = await grpc.CallAsync("ModelReady", new ModelReadyRequest { Name = "nobody" }, ModelReadyResponse.Parser, Cancelled);
        var server = await grpc.CallAsync("ServerMetadata", new ServerMetadataRequest(), ServerMetadataResponse.Parser, Cancelled);
        var metadata = await grpc.CallAsync("ModelMetadata", new ModelMetadataRequest { Name = "echo" }, ModelMetadataResponse.Parser, Cancelled);
        var request = GrpcRequests.Typed("echo", Numbers, [1, 2], Texts);
        request.Id = "seventeen";
        var answer = await grpc.InferAsync(request, Cancelled);

        Assert.True(live.Live && ready.Ready && model.Ready);
        Assert.False(unknown.Ready);
        Assert.Equal("dormouse", server.Name);
        Assert.Equal(["1"], metadata.Versions);
        Assert.Equal(["x", "t"], metadata.Inputs.Select(i => i.Name));
        Assert.Equal([-1, -1], metadata.Inputs[0].Shape);
        Assert.Equal(("echo", "1", "seventeen"), (answer.ModelName, answer.ModelVersion, answer.Id));
    }

    [Fact]
    public async Task A_bad_message_in_a_stream_gets_its_error_and_the_stream_goes_on()
    {
        using var grpc = new GrpcCaller(Server);
        using var call = grpc.Stream(Cancelled);
        var requests = new[] { Plus("plus", 1), Plus("nobody", 2), Wrong(), Plus("plus", 3) };

        foreach (var request in requests)
        {
            await call.RequestStream.WriteAsync(request, Cancelled);
        }

        await call.RequestStream.CompleteAsync();
        var answers = new List<ModelStreamInferResponse>();
        while (await call.ResponseStream.MoveNext(Cancelled))
        {
            answers.Add(call.ResponseStream.Current);
        }

        Assert.Equal(4, answers.Count);
        Assert.Equal(101, Value(answers[0].InferResponse));
        Assert.Contains("nobody", answers[1].ErrorMessage, StringComparison.Ordinal);
        Assert.Contains("wrong", answers[2].ErrorMessage, StringComparison.Ordinal);
        Assert.Equal(103, Value(answers[3].InferResponse));
        Assert.Equal("", answers[3].ErrorMessage);
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
    }

    [Fact]
    public async Task Repository_calls_list_unload_and_load()
    {
        await Server.DeployAsync("grpc-unloaded", [("model.onnx", SmallModels.Plus(1))], Cancelled);
        using var grpc = new GrpcCaller(Server);

        await grpc.CallAsync("RepositoryModelUnload", new RepositoryModelUnloadRequest { ModelName = "grpc-unloaded" }, RepositoryModelUnloadResponse.Parser, Cancelled);
        var index = await grpc.CallAsync("RepositoryIndex", new RepositoryIndexRequest(), RepositoryIndexResponse.Parser, Cancelled);
        var refused = await Assert.ThrowsAsync<RpcException>(() => grpc.InferAsync(Plus("grpc-unloaded", 1), Cancelled));
        await grpc.CallAsync("RepositoryModelLoad", new RepositoryModelLoadRequest { ModelName = "grpc-unloaded" }, RepositoryModelLoadResponse.Parser, Cancelled);
        var answer = await grpc.InferAsync(Plus("grpc-unloaded", 1), Cancelled);

        Assert.Equal("UNAVAILABLE", index.Models.Single(m => m.Name == "grpc-unloaded").State);
        Assert.Equal("READY", index.Models.Single(m => m.Name == "echo").State);
        Assert.Equal(StatusCode.Unavailable, refused.StatusCode);
        Assert.Equal(2, Value(answer));
    }

    [Fact]
    public async Task The_standard_health_service_serves()
    {
        using var grpc = new GrpcCaller(Server, key: "");

        // HealthCheckResponse has one field, status = 1 with SERVING = 1: a number's message has the same form.
        var all = await grpc.CallAsync("Check", new Empty(), Int32Value.Parser, Cancelled, "grpc.health.v1.Health");
        var named = await grpc.CallAsync("Check", new StringValue { Value = "inference.GRPCInferenceService" }, Int32Value.Parser, Cancelled, "grpc.health.v1.Health");

        Assert.Equal(1, all.Value);
        Assert.Equal(1, named.Value);
    }

    [Fact]
    public async Task Without_a_key_only_liveness_answers()
    {
        using var grpc = new GrpcCaller(Server, key: "");

        var live = await grpc.CallAsync("ServerLive", new ServerLiveRequest(), ServerLiveResponse.Parser, Cancelled);
        var infer = await Assert.ThrowsAsync<RpcException>(() => grpc.InferAsync(Plus("plus", 1), Cancelled));
        var unknown = await Assert.ThrowsAsync<RpcException>(() => grpc.InferAsync(Plus("nobody", 1), Cancelled));
        var metadata = await Assert.ThrowsAsync<RpcException>(() => grpc.CallAsync("ModelMetadata", new ModelMetadataRequest { Name = "plus" }, ModelMetadataResponse.Parser, Cancelled));
        var index = await Assert.ThrowsAsync<RpcException>(() => grpc.CallAsync("RepositoryIndex", new RepositoryIndexRequest(), RepositoryIndexResponse.Parser, Cancelled));

        Assert.True(live.Live);
        Assert.All([infer, unknown, metadata, index], e => Assert.Equal(StatusCode.Unauthenticated, e.StatusCode));
    }

    [Fact]
    public async Task Refusals_have_the_protocols_status()
    {
        using var grpc = new GrpcCaller(Server);
        var mixed = GrpcRequests.Typed("echo", Numbers, [1, 2], Texts);
        mixed.RawInputContents.Add(ByteString.CopyFrom(new byte[8]));

        var unknown = await Assert.ThrowsAsync<RpcException>(() => grpc.InferAsync(Plus("nobody", 1), Cancelled));
        var wrong = await Assert.ThrowsAsync<RpcException>(() => grpc.InferAsync(Wrong(), Cancelled));
        var both = await Assert.ThrowsAsync<RpcException>(() => grpc.InferAsync(mixed, Cancelled));
        var missing = GrpcRequests.Raw("echo", X, T);
        missing.RawInputContents.RemoveAt(1);
        var tooFew = await Assert.ThrowsAsync<RpcException>(() => grpc.InferAsync(missing, Cancelled));

        Assert.Equal(StatusCode.NotFound, unknown.StatusCode);
        Assert.Equal("endpoint_not_found", unknown.Trailers.GetValue("dormouse-code"));
        Assert.Equal(StatusCode.InvalidArgument, wrong.StatusCode);
        Assert.Equal(StatusCode.InvalidArgument, both.StatusCode);
        Assert.Contains("raw_input_contents", both.Status.Detail, StringComparison.Ordinal);
        Assert.Equal(StatusCode.InvalidArgument, tooFew.StatusCode);
    }

    private static Tensor X => new("x", "FP32", [1, 2], [.. Numbers.SelectMany(BitConverter.GetBytes)]);

    private static Tensor T => new("t", "BYTES", [1], [], Texts);

    private static ModelInferRequest Plus(string model, float x) => GrpcRequests.Raw(model, new Tensor("x", "FP32", [1], BitConverter.GetBytes(x)));

    private static ModelInferRequest Wrong() => GrpcRequests.Raw("plus", new Tensor("wrong", "FP32", [1], new byte[4]));

    private static float Value(ModelInferResponse answer) => BitConverter.ToSingle(answer.RawOutputContents[0].Span);
}
