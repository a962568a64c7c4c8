namespace Dormouse.Protocol.Inference;

/// <summary>What the gateway must know of a gRPC inference to route it.</summary>
/// <param name="Version">Empty = the server's choice.</param>
public readonly record struct ModelRoute(string Name, string Version);

/// <summary>Finds the model in the bytes of a <c>ModelInferRequest</c> without reading the rest of it.</summary>
public static class ModelRouting
{
    /// <exception cref="InferenceException">The bytes are no protobuf message.</exception>
    public static ModelRoute Peek(ReadOnlySpan<byte> request) => throw new NotImplementedException();
}
