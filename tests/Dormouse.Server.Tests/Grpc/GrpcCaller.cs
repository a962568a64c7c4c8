using Dormouse.Protocol.Inference.Wire;
using Dormouse.Server.Tests.Gateway;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;

namespace Dormouse.Server.Tests.Grpc;

/// <summary>A typed client of the inference service, with method definitions of its own.</summary>
internal sealed class GrpcCaller : IDisposable
{
    private const string Service = "inference.GRPCInferenceService";

    public static readonly Method<ModelInferRequest, ModelInferResponse> ModelInfer = Unary("ModelInfer", ModelInferRequest.Parser, ModelInferResponse.Parser);

    public static readonly Method<ModelInferRequest, ModelStreamInferResponse> ModelStreamInfer =
        Define("ModelStreamInfer", MethodType.DuplexStreaming, ModelInferRequest.Parser, ModelStreamInferResponse.Parser);

    public static readonly Method<ServerLiveRequest, ServerLiveResponse> ServerLive = Unary("ServerLive", ServerLiveRequest.Parser, ServerLiveResponse.Parser);

    public static readonly Method<ServerReadyRequest, ServerReadyResponse> ServerReady = Unary("ServerReady", ServerReadyRequest.Parser, ServerReadyResponse.Parser);

    public static readonly Method<ModelReadyRequest, ModelReadyResponse> ModelReady = Unary("ModelReady", ModelReadyRequest.Parser, ModelReadyResponse.Parser);

    public static readonly Method<ServerMetadataRequest, ServerMetadataResponse> ServerMetadata =
        Unary("ServerMetadata", ServerMetadataRequest.Parser, ServerMetadataResponse.Parser);

    public static readonly Method<ModelMetadataRequest, ModelMetadataResponse> ModelMetadata =
        Unary("ModelMetadata", ModelMetadataRequest.Parser, ModelMetadataResponse.Parser);

    public static readonly Method<RepositoryIndexRequest, RepositoryIndexResponse> RepositoryIndex =
        Unary("RepositoryIndex", RepositoryIndexRequest.Parser, RepositoryIndexResponse.Parser);

    public static readonly Method<RepositoryModelLoadRequest, RepositoryModelLoadResponse> Load =
        Unary("RepositoryModelLoad", RepositoryModelLoadRequest.Parser, RepositoryModelLoadResponse.Parser);

    public static readonly Method<RepositoryModelUnloadRequest, RepositoryModelUnloadResponse> Unload =
        Unary("RepositoryModelUnload", RepositoryModelUnloadRequest.Parser, RepositoryModelUnloadResponse.Parser);

    private readonly GrpcChannel _channel;

    public GrpcCaller(GatewayHost host)
    {
        _channel = GrpcChannel.ForAddress(host.Grpc, new GrpcChannelOptions { MaxReceiveMessageSize = null });
        Invoker = _channel.CreateCallInvoker();
    }

    public CallInvoker Invoker { get; }

    public static Metadata Key => new() { { "authorization", "Bearer " + GatewayHost.AdminKey } };

    public AsyncUnaryCall<TResponse> Call<TRequest, TResponse>(Method<TRequest, TResponse> method, TRequest request, Metadata? headers = null, CancellationToken? leaving = null)
        where TRequest : class
        where TResponse : class =>
        Invoker.AsyncUnaryCall(method, null, new CallOptions(headers ?? Key, cancellationToken: leaving ?? TestContext.Current.CancellationToken), request);

    public async Task<RpcException> FailAsync<TRequest, TResponse>(Method<TRequest, TResponse> method, TRequest request, Metadata? headers = null)
        where TRequest : class
        where TResponse : class =>
        await Assert.ThrowsAsync<RpcException>(async () => await Call(method, request, headers));

    public void Dispose() => _channel.Dispose();

    private static Method<TRequest, TResponse> Unary<TRequest, TResponse>(string name, MessageParser<TRequest> requests, MessageParser<TResponse> responses)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse> => Define(name, MethodType.Unary, requests, responses);

    private static Method<TRequest, TResponse> Define<TRequest, TResponse>(string name, MethodType type, MessageParser<TRequest> requests, MessageParser<TResponse> responses)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse> =>
        new(type, Service, name, Marshallers.Create(m => m.ToByteArray(), requests.ParseFrom), Marshallers.Create(m => m.ToByteArray(), responses.ParseFrom));
}
