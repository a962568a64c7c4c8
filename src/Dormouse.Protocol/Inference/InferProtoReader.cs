namespace Dormouse.Protocol.Inference;

/// <summary>Reads the bytes of a gRPC <c>inference.ModelInferRequest</c>.</summary>
public static class InferProtoReader
{
    /// <inheritdoc cref="InferRequestReader.Read"/>
    public static InferRequest Read(ReadOnlyMemory<byte> body, ModelInterface model, string modelName) => throw new NotImplementedException();
}
