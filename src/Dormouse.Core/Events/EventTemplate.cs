using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Events;

/// <summary>
/// Makes an endpoint's input of an event: a JSON value in which each text that begins with <c>$.</c> or is <c>$</c> stands for what is at that path of the event
/// (<c>$.data.items[0].name</c>); everything else stands for itself. A path that leads nowhere gives null. A text that begins with <c>$$</c> stands for itself without the first <c>$</c>.
/// </summary>
public sealed class EventTemplate
{
    private const int DepthMax = 32;

    private readonly JsonElement _root;

    private EventTemplate(JsonElement root) => _root = root;

    /// <summary>The paths in it, as they are written.</summary>
    public IEnumerable<string> Paths => PathsOf(_root);

    /// <summary>Null with a sentence when <paramref name="json"/> is no template.</summary>
    public static EventTemplate? Parse(string json, out string? fault)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = DepthMax });
            fault = Fault(document.RootElement);
            return fault is null ? new EventTemplate(document.RootElement.Clone()) : null;
        }
        catch (JsonException e)
        {
            fault = $"it is {JsonFault.Of(json, e, DepthMax)}; allowed is JSON, such as {{\"id\":\"$.data.order\"}} or \"$.data\" with its quotation marks";
            return null;
        }
    }

    /// <param name="record">The event, with the members of a CloudEvent.</param>
    /// <param name="more">Members that the record has besides its own; <c>$</c> alone is without them. Null = none.</param>
    public void Write(Utf8JsonWriter json, JsonElement record, IReadOnlyDictionary<string, JsonElement>? more = null) => Write(json, _root, new Source(record, more));

    private static IEnumerable<string> PathsOf(JsonElement part) => part.ValueKind switch
    {
        JsonValueKind.Object => part.EnumerateObject().SelectMany(m => PathsOf(m.Value)),
        JsonValueKind.Array => part.EnumerateArray().SelectMany(PathsOf),
        JsonValueKind.String when part.GetString() is { } text && IsPath(text) => [text],
        _ => [],
    };

    private static string? Fault(JsonElement part) => part.ValueKind switch
    {
        JsonValueKind.Object => part.EnumerateObject().Select(m => Fault(m.Value)).FirstOrDefault(f => f is not null),
        JsonValueKind.Array => part.EnumerateArray().Select(Fault).FirstOrDefault(f => f is not null),
        JsonValueKind.String when IsPath(part.GetString()!) && Steps(part.GetString()!) is null => // A string's text is never null.
            $"'{ShownText.Of(part.GetString()!)}' is no path; write it like $.data.items[0].name", // As above.
        _ => null,
    };

    private static void Write(Utf8JsonWriter json, JsonElement part, Source source)
    {
        switch (part.ValueKind)
        {
            case JsonValueKind.Object:
                json.WriteStartObject();
                foreach (var member in part.EnumerateObject())
                {
                    json.WritePropertyName(member.Name);
                    Write(json, member.Value, source);
                }

                json.WriteEndObject();
                break;
            case JsonValueKind.Array:
                json.WriteStartArray();
                foreach (var member in part.EnumerateArray())
                {
                    Write(json, member, source);
                }

                json.WriteEndArray();
                break;
            case JsonValueKind.String when part.GetString() is { } text && text.StartsWith('$'):
                WriteText(json, text, source);
                break;
            default:
                part.WriteTo(json);
                break;
        }
    }

    private static void WriteText(Utf8JsonWriter json, string text, Source source)
    {
        if (text.StartsWith("$$", StringComparison.Ordinal))
        {
            json.WriteStringValue(text[1..]);
        }
        else if (!IsPath(text))
        {
            json.WriteStringValue(text);
        }
        else if (Find(source, Steps(text) ?? []) is { } found)
        {
            found.WriteTo(json);
        }
        else
        {
            json.WriteNullValue();
        }
    }

    private static bool IsPath(string text) => text == "$" || text.StartsWith("$.", StringComparison.Ordinal) || text.StartsWith("$[", StringComparison.Ordinal);

    /// <summary>Names as they are, places in lists as numbers; null when it cannot be read.</summary>
    private static ImmutableArray<(string? Name, int Index)>? Steps(string path)
    {
        var steps = ImmutableArray.CreateBuilder<(string?, int)>();
        var at = 1;
        while (at < path.Length)
        {
            if (path[at] == '[')
            {
                var close = path.IndexOf(']', at);
                if (close < 0 || !int.TryParse(path.AsSpan(at + 1, close - at - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var index))
                {
                    return null;
                }

                steps.Add((null, index));
                at = close + 1;
                continue;
            }

            var next = path.AsSpan(at + 1).IndexOfAny('.', '[');
            var end = next < 0 ? path.Length : at + 1 + next;
            if (path[at] != '.' || end == at + 1)
            {
                return null;
            }

            steps.Add((path[(at + 1)..end], 0));
            at = end;
        }

        return steps.ToImmutable();
    }

    private static JsonElement? Find(Source source, ImmutableArray<(string? Name, int Index)> steps)
    {
        var isAdded = false;
        var found = source.Record;
        if (steps is [{ Name: { } first }, ..] && source.More is { } more && more.TryGetValue(first, out var added))
        {
            (isAdded, found) = (true, added);
        }

        foreach (var (name, index) in isAdded ? steps.AsSpan()[1..] : steps.AsSpan())
        {
            if (name is not null && found.ValueKind == JsonValueKind.Object && found.TryGetProperty(name, out var member))
            {
                found = member;
            }
            else if (name is null && found.ValueKind == JsonValueKind.Array && index < found.GetArrayLength())
            {
                found = found[index];
            }
            else
            {
                return null;
            }
        }

        return found;
    }

    private readonly record struct Source(JsonElement Record, IReadOnlyDictionary<string, JsonElement>? More);
}
