using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Dormouse.Core.Batches;
using Dormouse.Core.Queues;

namespace Dormouse.Server.Batches;

/// <summary>One line of the results: an item and its output, or its error.</summary>
internal static class ResultLine
{
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <returns>True when it succeeded.</returns>
    public static bool Write(ArrayBufferWriter<byte> lines, EndedBatchItem ended)
    {
        using var writer = new Utf8JsonWriter(lines, Plain);
        writer.WriteStartObject();
        writer.WriteNumber("item", ended.Number);
        writer.WriteString("input", ended.Name);
        var isSuccess = ended is { Fault: null, Item.State: QueueState.Succeeded, Answer: not null };
        if (isSuccess)
        {
            writer.WritePropertyName("output");
            WriteOutput(writer, ended.Answer!);
        }
        else
        {
            WriteError(writer, ended);
        }

        writer.WriteEndObject();
        writer.Flush();
        lines.Write("\n"u8);
        return isSuccess;
    }

    /// <summary>JSON as it is, text as text, anything else in base64.</summary>
    private static void WriteOutput(Utf8JsonWriter writer, StoredAnswer answer)
    {
        var type = MediaType(answer);
        if (IsJson(type) && TryParse(answer.Body) is { } json)
        {
            using (json)
            {
                json.WriteTo(writer);
            }

            return;
        }

        if (answer.Body.IsEmpty)
        {
            writer.WriteNullValue();
            return;
        }

        if ((type.StartsWith("text/", StringComparison.OrdinalIgnoreCase) || IsJson(type)) && TryText(answer.Body.Span) is { } text)
        {
            writer.WriteStringValue(text);
            return;
        }

        writer.WriteStartObject();
        writer.WriteString("content_type", type);
        writer.WriteBase64String("base64", answer.Body.Span);
        writer.WriteEndObject();
    }

    private static void WriteError(Utf8JsonWriter writer, EndedBatchItem ended)
    {
        var (code, detail) = ended switch
        {
            { Fault: { } fault } => (fault.Code, fault.Detail),
            { Item: null } => ("lost", "The item is not in the queue any more."),
            { Item: { State: QueueState.Failed or QueueState.Dead } item } when Problem(ended.Answer) is { } problem => (problem.Code, problem.Detail ?? item.Reason ?? ""),
            { Item: var item } => (Words.Of(item.State), item.Reason ?? ""),
        };
        writer.WriteStartObject("error");
        writer.WriteString("code", code);
        writer.WriteString("detail", detail);
        writer.WriteNumber("attempts", ended.Item?.Attempts ?? 0);
        writer.WriteEndObject();
    }

    /// <summary>Code and sentence of a problem document; null when it is none.</summary>
    private static (string Code, string? Detail)? Problem(StoredAnswer? answer)
    {
        if (answer is null || !IsJson(MediaType(answer)) || TryParse(answer.Body) is not { } json)
        {
            return null;
        }

        using (json)
        {
            return json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("code", out var code) && code.ValueKind == JsonValueKind.String
                ? (code.GetString()!, json.RootElement.TryGetProperty("detail", out var detail) && detail.ValueKind == JsonValueKind.String ? detail.GetString() : null)
                : null;
        }
    }

    private static string MediaType(StoredAnswer answer) =>
        answer.Headers.FirstOrDefault(h => h.Key.Equals("Content-Type", StringComparison.OrdinalIgnoreCase)).Value?.Split(';')[0].Trim() ?? "application/octet-stream";

    private static bool IsJson(string type) => type.Equals("application/json", StringComparison.OrdinalIgnoreCase) || type.EndsWith("+json", StringComparison.OrdinalIgnoreCase);

    private static JsonDocument? TryParse(ReadOnlyMemory<byte> body)
    {
        try
        {
            return JsonDocument.Parse(body);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string? TryText(ReadOnlySpan<byte> body)
    {
        try
        {
            return Utf8.GetString(body);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }
}
