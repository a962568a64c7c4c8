namespace Dormouse.Protocol.Inference;

/// <summary>One input of an inference, checked against the model's interface. Its memory belongs to the <see cref="InferRequest"/>.</summary>
public sealed class InputTensor
{
    public required string Name { get; init; }

    public required Datatype Datatype { get; init; }

    /// <summary>Full shape, no variable dimension; empty for a scalar.</summary>
    public required long[] Shape { get; init; }

    /// <summary>Row-major, little-endian, exactly as long as shape and datatype say, aligned to 8 bytes. Empty for BYTES.</summary>
    public Memory<byte> Data { get; init; }

    /// <summary>The elements when <see cref="Datatype"/> is BYTES; null otherwise.</summary>
    public TensorBytes? Strings { get; init; }
}
