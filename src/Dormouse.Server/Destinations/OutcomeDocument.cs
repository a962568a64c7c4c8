using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Dormouse.Core.Destinations;
using Dormouse.Core.Queues;

namespace Dormouse.Server.Destinations;

/// <summary>What a destination is told of an outcome. The same outcome is always told in the same bytes, whichever attempt it is.</summary>
internal static class OutcomeDocument
{
    /// <summary>A longer answer is not in the document; it says where it is.</summary>
    public const int ResultBytesMax = 1 << 20;

    private static readonly JsonWriterOptions Relaxed = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary><c>invocation.succeeded</c>, <c>.failed</c>, <c>.dead</c>, <c>.expired</c>.</summary>
    public static string Type(Delivery delivery) => "invocation." + Words.Of(delivery.Outcome);

    public static string? ContentType(StoredAnswer? answer) => answer?.Headers.FirstOrDefault(h => h.Key.Equals("Content-Type", StringComparison.OrdinalIgnoreCase)).Value;

    public static byte[] Write(Delivery delivery, QueueItem item, StoredAnswer? answer, string endpoint, string resultAddress)
    {
        var buffer = new ArrayBufferWriter<byte>(1024 + (answer?.Body.Length ?? 0));
        using var json = new Utf8JsonWriter(buffer, Relaxed);
        json.WriteStartObject();
        json.WriteString("type", Type(delivery));
        json.WriteString("timestamp", Time(item.EndedAt ?? delivery.CreatedAt));
        json.WriteStartObject("data");
        json.WriteString("invocation_id", item.Id.ToString());
        json.WriteString("endpoint", endpoint);
        json.WriteString("state", Words.Of(delivery.Outcome));
        json.WriteString("accepted_at", Time(item.AcceptedAt));
        json.WriteNumber("attempts", item.Attempts);
        if (item.Reason is { } reason)
        {
            json.WriteString("reason", reason);
        }

        if (answer is not null)
        {
            Result(json, answer, resultAddress);
        }

        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    private static void Result(Utf8JsonWriter json, StoredAnswer answer, string address)
    {
        json.WriteNumber("status", answer.Status);
        var type = ContentType(answer);
        if (type is not null)
        {
            json.WriteString("content_type", type);
        }

        if (answer.Body.Length > ResultBytesMax)
        {
            json.WriteString("result_address", address);
        }
        else if (IsJson(type) && IsValidJson(answer.Body))
        {
            json.WritePropertyName("result");
            json.WriteRawValue(answer.Body.Span);
        }
        else if (type?.StartsWith("text/", StringComparison.OrdinalIgnoreCase) == true && System.Text.Unicode.Utf8.IsValid(answer.Body.Span))
        {
            json.WriteString("result", Encoding.UTF8.GetString(answer.Body.Span));
        }
        else
        {
            json.WriteBase64String("result_base64", answer.Body.Span);
        }
    }

    private static bool IsJson(string? type)
    {
        var media = (type ?? "").Split(';')[0].TrimEnd();
        return media.Equals("application/json", StringComparison.OrdinalIgnoreCase) || media.EndsWith("+json", StringComparison.OrdinalIgnoreCase);
    }

    private static bool IsValidJson(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFF'Z'", CultureInfo.InvariantCulture);
}
