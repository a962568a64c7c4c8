using System.Collections.Frozen;

namespace Dormouse.Core.Endpoints;

/// <summary>
/// The rule for endpoint and tenant names: a DNS label (RFC 1123: 1 to 63 of a–z, 0–9 and '-', no '-' at either end) that is
/// not a fixed first segment of any API this product serves now or promises to serve.
/// </summary>
public static class EndpointName
{
    public const int LengthMax = 63;

    /// <summary>Words with a meaning of their own under <c>/v2</c>, <c>/v1</c>, <c>/invoke</c> or a compatible API's base path.</summary>
    public static readonly FrozenSet<string> Reserved = FrozenSet.ToFrozenSet(
        [
            "health", "models", "repository", "systemsharedmemory", "cudasharedmemory", "trace", "logging",
            "chat", "completions", "embeddings", "files", "responses", "predictions", "deployments", "trainings", "account",
            "hardware", "collections", "webhooks", "endpoints", "api", "openapi", "metrics", "invoke", "t", "v1", "v2",
        ],
        StringComparer.Ordinal);

    /// <summary>Null when <paramref name="name"/> is allowed, else a sentence that says what is wrong and what is allowed.</summary>
    public static string? Refusal(string? name) => LabelRefusal(name)
        ?? (Reserved.Contains(name!) ? $"The name '{name}' is reserved for the product's own paths. Choose another." : null); // A missing name is no label.

    /// <summary>The same without the reserved words, for names that stand in no path of their own.</summary>
    public static string? LabelRefusal(string? name)
    {
        if (string.IsNullOrEmpty(name))
        {
            return "A name is missing. Use 1 to 63 of a-z, 0-9 and '-'.";
        }

        if (name.Length > LengthMax)
        {
            return $"The name '{ShownText.Of(name)}' has {name.Length} characters; at most {LengthMax} are allowed.";
        }

        foreach (var c in name)
        {
            if (c is not ((>= 'a' and <= 'z') or (>= '0' and <= '9') or '-'))
            {
                return $"The name '{ShownText.Of(name)}' may hold only a-z, 0-9 and '-'; it holds {Printable(c)}.";
            }
        }

        return name[0] == '-' || name[^1] == '-' ? $"The name '{name}' may not begin or end with '-'." : null;
    }

    private static string Printable(char c) => c is > ' ' and < (char)127 ? $"'{c}'" : $"U+{(int)c:X4}";
}
