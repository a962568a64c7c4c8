using System.Text.Json.Serialization;

namespace Dormouse.Protocol.Problems;

/// <summary>RFC 9457 problem details with the product's extensions. On <c>/v2</c> it also carries <see cref="Error"/>.</summary>
public sealed record ProblemDocument
{
    public string? Type { get; init; }

    public string? Title { get; init; }

    public int Status { get; init; }

    /// <summary>What happened this time, with values and limits, and what to do.</summary>
    public string? Detail { get; init; }

    public string? Code { get; init; }

    public string? InvocationId { get; init; }

    public bool Retryable { get; init; }

    /// <summary>The Open Inference Protocol's own error member: the same text as <see cref="Detail"/>.</summary>
    public string? Error { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ProblemDocument))]
public sealed partial class ProblemJson : JsonSerializerContext;
