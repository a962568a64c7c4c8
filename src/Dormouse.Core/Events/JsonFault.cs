using System.Text.Json;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Events;

/// <summary>What is wrong with a text that was to be JSON, in our words: those of the reader name its own settings.</summary>
internal static class JsonFault
{
    /// <summary>No text may be nested deeper; enough to tell one that is too deep from one that is no JSON.</summary>
    private const int DepthLimit = 1_000;

    /// <param name="depthMax">Deepest that was allowed when <paramref name="fault"/> was found.</param>
    /// <returns>Such as <c>no JSON (line 1, byte 2)</c>, without a full stop.</returns>
    public static string Of(string json, JsonException fault, int depthMax)
    {
        try
        {
            using var deep = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = DepthLimit });
            return $"nested deeper than the {depthMax} levels that are allowed";
        }
        catch (JsonException)
        {
            return json.AsSpan().Trim().IsEmpty ? "empty" : $"no JSON (line {(fault.LineNumber ?? 0) + 1}, byte {(fault.BytePositionInLine ?? 0) + 1})";
        }
    }

    /// <summary>The kind of a value as a reader of JSON calls it.</summary>
    public static string KindOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => value.GetArrayLength() == 0 ? "an empty list" : "a list",
        JsonValueKind.String => $"the text '{ShownText.Of(value.GetString() ?? "")}'",
        _ => ShownText.Of(value.GetRawText()),
    };
}
