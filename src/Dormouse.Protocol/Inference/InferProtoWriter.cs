using System.Buffers;

namespace Dormouse.Protocol.Inference;

/// <summary>Writes the bytes of a gRPC <c>inference.ModelInferResponse</c>; outputs are always raw.</summary>
public static class InferProtoWriter
{
    public static void Write(InferResponse response, IBufferWriter<byte> destination) => throw new NotImplementedException();
}
