using System.Buffers;

namespace Dormouse.Protocol.Inference;

/// <summary>Writes the REST answer: JSON, followed by the binary tensors when an output is binary.</summary>
public static class InferResponseWriter
{
    /// <returns>Length of the JSON part when a binary part follows (<c>Inference-Header-Content-Length</c>, content type
    /// <c>application/octet-stream</c>); null when all is JSON.</returns>
    /// <exception cref="InferenceException"><c>output_not_json</c>: an output cannot be JSON; nothing was written.</exception>
    public static int? Write(InferResponse response, IBufferWriter<byte> destination) => throw new NotImplementedException();
}
