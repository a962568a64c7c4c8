using System.Text.Json;

namespace Dormouse.Core.Events;

/// <summary>Bytes with a media type as a JSON value: JSON as it is, text as a text, anything else in base64.</summary>
public static class DataJson
{
    /// <param name="mediaType">Data without a type is JSON when it reads as such.</param>
    /// <param name="name">Of the member that is written; null = only the value is.</param>
    /// <param name="nameOfBytes">The same for what is neither JSON nor text.</param>
    public static void Write(Utf8JsonWriter json, ReadOnlyMemory<byte> data, string? mediaType, string? name = null, string? nameOfBytes = null)
    {
        var isJson = IsJson(data, mediaType);
        if (!isJson && !System.Text.Unicode.Utf8.IsValid(data.Span))
        {
            if (nameOfBytes is not null)
            {
                json.WritePropertyName(nameOfBytes);
            }

            json.WriteBase64StringValue(data.Span);
            return;
        }

        if (name is not null)
        {
            json.WritePropertyName(name);
        }

        if (data.Length == 0)
        {
            json.WriteNullValue();
        }
        else if (isJson)
        {
            json.WriteRawValue(data.Span);
        }
        else
        {
            json.WriteStringValue(data.Span);
        }
    }

    private static bool IsJson(ReadOnlyMemory<byte> data, string? mediaType)
    {
        var media = mediaType?.Split(';')[0].Trim();
        if (data.Length == 0 || (media is not null && !media.Equals("application/json", StringComparison.OrdinalIgnoreCase) && !media.EndsWith("+json", StringComparison.OrdinalIgnoreCase)))
        {
            return false;
        }

        try
        {
            using var document = JsonDocument.Parse(data);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
