using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Dormouse.Core.Events;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Triggers;

/// <summary>Reads CloudEvents 1.0 from a request: binary (attributes are headers), structured (one JSON object) or batched (a JSON array).</summary>
internal static class CloudEventsReader
{
    private const string Structured = "application/cloudevents+json";

    private const string Batched = "application/cloudevents-batch+json";

    private const string HeaderPrefix = "ce-";

    private static readonly string[] Required = ["id", "source", "specversion", "type"];

    /// <summary>Null with a sentence when the request is no CloudEvent.</summary>
    public static ImmutableArray<SourceEvent>? Read(HttpRequest request, ReadOnlyMemory<byte> body, out string? fault)
    {
        var media = request.ContentType?.Split(';')[0].Trim() ?? "";
        if (!media.StartsWith("application/cloudevents", StringComparison.OrdinalIgnoreCase))
        {
            return Binary(request, body, out fault) is { } single ? [single] : null;
        }

        var isBatch = media.Equals(Batched, StringComparison.OrdinalIgnoreCase);
        if (!isBatch && !media.Equals(Structured, StringComparison.OrdinalIgnoreCase))
        {
            fault = $"Content-Type is '{Core.Endpoints.ShownText.Of(media)}'; allowed are {Structured}, {Batched}, and any other type with the attributes as ce- headers.";
            return null;
        }

        try
        {
            using var document = JsonDocument.Parse(body);
            return document.RootElement.ValueKind switch
            {
                JsonValueKind.Array when isBatch => Batch(document.RootElement, out fault),
                JsonValueKind.Object when !isBatch => One(document.RootElement, out fault) is { } one ? [one] : null,
                _ => Wrong($"The body is a JSON {document.RootElement.ValueKind.ToString().ToLowerInvariant()}; {(isBatch ? "an array of events" : "an object")} is expected.", out fault),
            };
        }
        catch (JsonException e)
        {
            return Wrong($"The body is not valid JSON (line {(e.LineNumber ?? 0) + 1}, byte {(e.BytePositionInLine ?? 0) + 1}).", out fault);
        }
    }

    private static ImmutableArray<SourceEvent>? Batch(JsonElement list, out string? fault)
    {
        fault = null;
        var events = ImmutableArray.CreateBuilder<SourceEvent>();
        foreach (var member in list.EnumerateArray())
        {
            if (member.ValueKind != JsonValueKind.Object || One(member, out fault) is not { } read)
            {
                fault = string.Create(CultureInfo.InvariantCulture, $"Event {events.Count} of the batch: {fault ?? "it is no JSON object."}");
                return null;
            }

            events.Add(read);
        }

        return events.ToImmutable();
    }

    private static SourceEvent? Binary(HttpRequest request, ReadOnlyMemory<byte> body, out string? fault)
    {
        var attributes = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in request.Headers)
        {
            if (name.StartsWith(HeaderPrefix, StringComparison.OrdinalIgnoreCase))
            {
                attributes[name[HeaderPrefix.Length..].ToLowerInvariant()] = Uri.UnescapeDataString(value.ToString());
            }
        }

        return Compose(attributes, body, request.ContentType, out fault);
    }

    private static SourceEvent? One(JsonElement json, out string? fault)
    {
        var attributes = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        ReadOnlyMemory<byte> data = default;
        string? type = null;
        foreach (var member in json.EnumerateObject())
        {
            switch (member.Name)
            {
                case "data" when member.Value.ValueKind != JsonValueKind.Null:
                    data = System.Text.Encoding.UTF8.GetBytes(member.Value.GetRawText());
                    break;
                case "data":
                    break;
                case "data_base64" when member.Value.ValueKind == JsonValueKind.String && member.Value.TryGetBytesFromBase64(out var bytes):
                    data = bytes;
                    break;
                case "data_base64":
                    fault = "'data_base64' is no base64.";
                    return null;
                case "datacontenttype" when member.Value.ValueKind == JsonValueKind.String:
                    type = member.Value.GetString();
                    break;
                case var _ when member.Value.ValueKind is JsonValueKind.String or JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False:
                    attributes[member.Name] = member.Value.ToString();
                    break;
                case var _ when member.Value.ValueKind != JsonValueKind.Null:
                    fault = $"Attribute '{Core.Endpoints.ShownText.Of(member.Name)}' is no text, number or truth value.";
                    return null;
            }
        }

        // A text in 'data' with a type that is no JSON is that text itself.
        if (json.TryGetProperty("data", out var text) && text.ValueKind == JsonValueKind.String && type is not null && !type.Contains("json", StringComparison.OrdinalIgnoreCase))
        {
            data = System.Text.Encoding.UTF8.GetBytes(text.GetString()!); // A string's text is never null.
        }

        return Compose(attributes, data, type ?? "application/json", out fault);
    }

    private static SourceEvent? Compose(ImmutableSortedDictionary<string, string>.Builder attributes, ReadOnlyMemory<byte> data, string? contentType, out string? fault)
    {
        if (Required.FirstOrDefault(r => string.IsNullOrEmpty(attributes.GetValueOrDefault(r))) is { } missing)
        {
            fault = $"Attribute '{missing}' is missing. A CloudEvent has id, source, specversion and type, as members of the JSON object or as ce- headers.";
            return null;
        }

        if (attributes["specversion"] != "1.0")
        {
            fault = $"Attribute 'specversion' is '{Core.Endpoints.ShownText.Of(attributes["specversion"])}'; allowed is 1.0.";
            return null;
        }

        if (attributes.Keys.FirstOrDefault(k => !k.All(c => c is (>= 'a' and <= 'z') or (>= '0' and <= '9'))) is { } badName)
        {
            fault = $"Attribute name '{Core.Endpoints.ShownText.Of(badName)}' is not allowed; names have a-z and 0-9.";
            return null;
        }

        DateTimeOffset? time = null;
        if (attributes.TryGetValue("time", out var timeText))
        {
            if (!DateTimeOffset.TryParse(timeText, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var parsed))
            {
                fault = $"Attribute 'time' is '{Core.Endpoints.ShownText.Of(timeText)}'; allowed is a time such as 2026-11-24T13:00:00Z.";
                return null;
            }

            time = parsed;
        }

        fault = null;
        var (id, source, type) = (attributes["id"], attributes["source"], attributes["type"]);
        var subject = attributes.GetValueOrDefault("subject");
        attributes.RemoveRange(["id", "source", "type", "subject", "time", "data", "data_base64"]);
        return new SourceEvent(id, source, type, time, data, contentType) { Subject = subject, Attributes = attributes.ToImmutable() };
    }

    private static ImmutableArray<SourceEvent>? Wrong(string sentence, out string? fault)
    {
        fault = sentence;
        return null;
    }
}
