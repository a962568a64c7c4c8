namespace Dormouse.Protocol.Inference;

/// <summary>Reads a REST inference request in each of its three forms: JSON, JSON followed by binary tensors, raw binary.</summary>
public static class InferRequestReader
{
    /// <param name="body">The whole body; copied from, so it may be reused after the call.</param>
    /// <param name="jsonLength">Value of <c>Inference-Header-Content-Length</c>; null when the header is absent; 0 = raw binary request.</param>
    /// <param name="model">What the model takes and gives.</param>
    /// <param name="modelName">For messages.</param>
    /// <returns>A request that fits the model; the caller disposes it.</returns>
    /// <exception cref="InferenceException">The request is malformed or does not fit; nothing stays rented.</exception>
    public static InferRequest Read(ReadOnlyMemory<byte> body, int? jsonLength, ModelInterface model, string modelName) => throw new NotImplementedException();
}
