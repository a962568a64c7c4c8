using Dormouse.EndToEnd.Tests.Running;
using Dormouse.Protocol.Inference.Wire;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;

namespace Dormouse.EndToEnd.Tests.Protocol;

/// <summary>A client of the gRPC side: calls by name, so that nothing of the server's own registration is shared.</summary>
internal sealed class GrpcCaller(RunningServer server, string? key = null) : IDisposable
{
    private const string Service = "inference.GRPCInferenceService";

    private readonly GrpcChannel _channel = GrpcChannel.ForAddress(server.Grpc);
    private readonly Metadata _headers = key == "" ? [] : new Metadata { { "authorization", "Bearer " + (key ?? server.Key) } };

    public Task<ModelInferResponse> InferAsync(ModelInferRequest request, CancellationToken cancellationToken) =>
        CallAsync("ModelInfer", request, ModelInferResponse.Parser, cancellationToken);

    public async Task<TResponse> CallAsync<TRequest, TResponse>(
        string method, TRequest request, MessageParser<TResponse> parser, CancellationToken cancellationToken, string service = Service)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse>
    {
        using var call = _channel.CreateCallInvoker().AsyncUnaryCall(
            Method<TRequest, TResponse>(MethodType.Unary, service, method, parser), null, new CallOptions(_headers, cancellationToken: cancellationToken), request);
        return await call;
    }

    public AsyncDuplexStreamingCall<ModelInferRequest, ModelStreamInferResponse> Stream(CancellationToken cancellationToken) =>
        _channel.CreateCallInvoker().AsyncDuplexStreamingCall(
            Method<ModelInferRequest, ModelStreamInferResponse>(MethodType.DuplexStreaming, Service, "ModelStreamInfer", ModelStreamInferResponse.Parser),
            null,
            new CallOptions(_headers, cancellationToken: cancellationToken));

    public void Dispose() => _channel.Dispose();

    private static Method<TRequest, TResponse> Method<TRequest, TResponse>(MethodType type, string service, string name, MessageParser<TResponse> parser)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse> =>
        new(
            type, service, name,
            Marshallers.Create(static (TRequest message) => message.ToByteArray(), static _ => throw new NotSupportedException("Requests are only written.")),
            Marshallers.Create(static (TResponse message) => message.ToByteArray(), parser.ParseFrom));
}
