using System.Collections.Immutable;
using System.Text.Json;

namespace Dormouse.Core.Events;

/// <summary>Which messages of a batch failed, by the rules of AWS Lambda's <c>batchItemFailures</c>.</summary>
public static class PartialBatch
{
    /// <summary>
    /// An answer that is empty, null or has no or an empty <c>batchItemFailures</c> means that all succeeded. An answer that is no JSON object, an <c>itemIdentifier</c> that is empty
    /// or unknown, and a list of another shape mean that all failed.
    /// </summary>
    /// <param name="answer">What the endpoint answered, UTF-8.</param>
    /// <param name="ids">Message ids in the order of the batch.</param>
    /// <param name="isOrdered">Of an ordered queue everything after the first failure counts as failed: it may not overtake.</param>
    /// <returns>Ids that failed, in the order of the batch.</returns>
    public static ImmutableArray<string> Failures(ReadOnlyMemory<byte> answer, ImmutableArray<string> ids, bool isOrdered)
    {
        if (Named(answer) is not { } named || named.Any(n => n is null || !ids.Contains(n)))
        {
            return ids;
        }

        return isOrdered ? [.. ids.SkipWhile(id => !named.Contains(id))] : ids.RemoveAll(id => !named.Contains(id));
    }

    /// <summary>Null when the answer is malformed; a member that is no text is null.</summary>
    private static List<string?>? Named(ReadOnlyMemory<byte> answer)
    {
        if (answer.Span.Trim(" \t\r\n"u8).IsEmpty)
        {
            return [];
        }

        try
        {
            using var document = JsonDocument.Parse(answer);
            var root = document.RootElement;
            if (root.ValueKind == JsonValueKind.Null)
            {
                return [];
            }

            if (root.ValueKind != JsonValueKind.Object)
            {
                return null;
            }

            if (!root.TryGetProperty("batchItemFailures", out var list) || list.ValueKind == JsonValueKind.Null)
            {
                return [];
            }

            return list.ValueKind == JsonValueKind.Array
                ? [.. list.EnumerateArray().Select(f => f.ValueKind == JsonValueKind.Object && f.TryGetProperty("itemIdentifier", out var id) && id.ValueKind == JsonValueKind.String ? id.GetString() : null)]
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
