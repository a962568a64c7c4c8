using Dormouse.Protocol.Inference.Wire;
using Google.Protobuf;
using Grpc.AspNetCore.Server.Model;
using Grpc.Core;

namespace Dormouse.Server.Grpc;

/// <summary>Registers the methods of <see cref="InferenceService"/> by hand: inferences with a marshaller that leaves them as bytes.</summary>
internal sealed class InferenceMethods : IServiceMethodProvider<InferenceService>
{
    public const string ServiceName = "inference.GRPCInferenceService";

    /// <summary>It needs no key.</summary>
    public static bool IsOpen(string method) => method is "ServerLive" or "ServerReady";

    /// <summary>It carries tensors.</summary>
    public static bool IsInference(string method) => method is "ModelInfer" or "ModelStreamInfer";

    /// <summary>It needs no key when the endpoint that its message names is public.</summary>
    public static bool MayBePublic(string method) => IsInference(method) || method is "ModelReady" or "ModelMetadata";

    public void OnServiceMethodDiscovery(ServiceMethodProviderContext<InferenceService> context)
    {
        Unary(context, "ServerLive", ServerLiveRequest.Parser, ServerLiveResponse.Parser, static (_, r, c) => InferenceService.ServerLiveAsync(r, c));
        Unary(context, "ServerReady", ServerReadyRequest.Parser, ServerReadyResponse.Parser, static (s, r, c) => s.ServerReadyAsync(r, c));
        Unary(context, "ModelReady", ModelReadyRequest.Parser, ModelReadyResponse.Parser, static (s, r, c) => s.ModelReadyAsync(r, c));
        Unary(context, "ServerMetadata", ServerMetadataRequest.Parser, ServerMetadataResponse.Parser, static (s, r, c) => s.ServerMetadataAsync(r, c));
        Unary(context, "ModelMetadata", ModelMetadataRequest.Parser, ModelMetadataResponse.Parser, static (s, r, c) => s.ModelMetadataAsync(r, c));
        Unary(context, "RepositoryIndex", RepositoryIndexRequest.Parser, RepositoryIndexResponse.Parser, static (s, r, c) => s.RepositoryIndexAsync(r, c));
        Unary(
            context, "RepositoryModelLoad", RepositoryModelLoadRequest.Parser, RepositoryModelLoadResponse.Parser,
            static (s, r, c) => s.RepositoryModelLoadAsync(r, c));
        Unary(
            context, "RepositoryModelUnload", RepositoryModelUnloadRequest.Parser, RepositoryModelUnloadResponse.Parser,
            static (s, r, c) => s.RepositoryModelUnloadAsync(r, c));
        context.AddUnaryMethod(
            new Method<GrpcMessage, GrpcMessage>(MethodType.Unary, ServiceName, "ModelInfer", GrpcMessage.Marshaller, GrpcMessage.Marshaller),
            [], static (s, r, c) => s.ModelInferAsync(r, c));
        context.AddDuplexStreamingMethod(
            new Method<GrpcMessage, GrpcMessage>(MethodType.DuplexStreaming, ServiceName, "ModelStreamInfer", GrpcMessage.Marshaller, GrpcMessage.Marshaller),
            [], static (s, requests, responses, c) => s.ModelStreamInferAsync(requests, responses, c));
    }

    private static void Unary<TRequest, TResponse>(
        ServiceMethodProviderContext<InferenceService> context, string name, MessageParser<TRequest> requests, MessageParser<TResponse> responses,
        UnaryServerMethod<InferenceService, TRequest, TResponse> handler)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse> =>
        context.AddUnaryMethod(new Method<TRequest, TResponse>(MethodType.Unary, ServiceName, name, Typed(requests), Typed(responses)), [], handler);

    private static Marshaller<T> Typed<T>(MessageParser<T> parser)
        where T : class, IMessage<T> => Marshallers.Create(
        static (message, context) =>
        {
            context.SetPayloadLength(message.CalculateSize());
            message.WriteTo(context.GetBufferWriter());
            context.Complete();
        },
        context => parser.ParseFrom(context.PayloadAsReadOnlySequence()));
}
