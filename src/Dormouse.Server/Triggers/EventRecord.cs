using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Dormouse.Core.Events;

namespace Dormouse.Server.Triggers;

/// <summary>An event as filters and inputs see it: a JSON object with the members of a CloudEvent.</summary>
internal static class EventRecord
{
    public static JsonDocument Of(SourceEvent from)
    {
        var buffer = new ArrayBufferWriter<byte>(256 + from.Data.Length);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("id", from.Id);
            json.WriteString("source", from.Source);
            json.WriteString("type", from.Type);
            if (from.Subject is { } subject)
            {
                json.WriteString("subject", subject);
            }

            if (from.Time is { } time)
            {
                json.WriteString("time", time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFF'Z'", CultureInfo.InvariantCulture));
            }

            foreach (var (name, value) in from.Attributes)
            {
                json.WriteString(name, value);
            }

            if (from.Data.Length > 0)
            {
                WriteData(json, from, "data", "data_base64");
            }

            json.WriteEndObject();
        }

        return JsonDocument.Parse(buffer.WrittenMemory);
    }

    /// <summary>The data as a JSON value: as it is when it is JSON, as text, or in base64.</summary>
    public static void WriteData(Utf8JsonWriter json, SourceEvent from, string? name = null, string? nameOfBytes = null) =>
        DataJson.Write(json, from.Data, from.ContentType, name, nameOfBytes);
}
