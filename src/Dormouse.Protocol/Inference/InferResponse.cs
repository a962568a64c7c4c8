namespace Dormouse.Protocol.Inference;

/// <summary>The answer of one inference before it is written in a wire form.</summary>
public sealed class InferResponse
{
    public required string ModelName { get; init; }

    public required string ModelVersion { get; init; }

    /// <summary>The request's own id; null when it had none, then the answer has none.</summary>
    public string? Id { get; init; }

    public IReadOnlyDictionary<string, ParameterValue>? Parameters { get; init; }

    public List<OutputTensor> Outputs { get; } = [];
}

/// <summary>One output of an inference.</summary>
public sealed class OutputTensor
{
    public required string Name { get; init; }

    public required Datatype Datatype { get; init; }

    public required long[] Shape { get; init; }

    /// <summary>Row-major, little-endian; for all datatypes but BYTES.</summary>
    public ReadOnlyMemory<byte> Data { get; init; }

    /// <summary>The elements of a BYTES output; null otherwise.</summary>
    public TensorBytes? Strings { get; init; }

    /// <summary>REST only: write it behind the JSON as a binary tensor. gRPC answers are always raw.</summary>
    public bool Binary { get; init; }
}
