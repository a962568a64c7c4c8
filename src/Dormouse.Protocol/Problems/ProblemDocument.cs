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

    /// <summary>Content type of the document: the inference protocol has JSON in a form of its own.</summary>
    public static string ContentType(bool isInference) => isInference ? MediaTypes.Json : "application/problem+json";

    /// <summary>The document of a refusal, with the status that it is sent with.</summary>
    /// <param name="isInference">It was asked for by the inference protocol, which has a status and a member of its own.</param>
    public static ProblemDocument Of(ProblemCode code, string detail, bool isInference)
    {
        ArgumentNullException.ThrowIfNull(code);
        return new ProblemDocument
        {
            Type = code.Type,
            Title = code.Title,
            Status = isInference ? code.StatusOnV2 ?? code.Status : code.Status,
            Detail = detail,
            Code = code.Code,
            Retryable = code.Retryable,
            Error = isInference ? detail : null,
        };
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ProblemDocument))]
public sealed partial class ProblemJson : JsonSerializerContext;
