using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Dormouse.Core.Events;

/// <summary>Reads what S3 and MinIO send when objects change: directly, or within a notification of SNS.</summary>
public static class ObjectNotification
{
    /// <summary>Objects that were created. Other events, and the <c>s3:TestEvent</c> that a bucket sends when it is set up, give none.</summary>
    /// <param name="data">UTF-8.</param>
    /// <returns>Null when it is no notification of a bucket.</returns>
    public static ImmutableArray<ObjectCreated>? Read(ReadOnlyMemory<byte> data)
    {
        try
        {
            using var document = JsonDocument.Parse(data);
            var root = document.RootElement;
            return root.ValueKind != JsonValueKind.Object ? null
                : Text(root, "Type") == "Notification" && Text(root, "Message") is { } inner ? ReadInner(Encoding.UTF8.GetBytes(inner))
                : Text(root, "Event") == "s3:TestEvent" ? []
                : Records(root);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static ImmutableArray<ObjectCreated>? ReadInner(byte[] message)
    {
        using var document = JsonDocument.Parse(message);
        var root = document.RootElement;
        return root.ValueKind != JsonValueKind.Object ? null : Text(root, "Event") == "s3:TestEvent" ? [] : Records(root);
    }

    private static ImmutableArray<ObjectCreated>? Records(JsonElement root)
    {
        if (!root.TryGetProperty("Records", out var records) || records.ValueKind != JsonValueKind.Array)
        {
            return null;
        }

        var created = ImmutableArray.CreateBuilder<ObjectCreated>();
        foreach (var record in records.EnumerateArray())
        {
            if (record.ValueKind != JsonValueKind.Object || Text(record, "eventName") is not { } name)
            {
                return null;
            }

            // MinIO writes s3:ObjectCreated:Put, S3 without s3:.
            if (!(name.StartsWith("s3:", StringComparison.Ordinal) ? name[3..] : name).StartsWith("ObjectCreated:", StringComparison.Ordinal))
            {
                continue;
            }

            if (Created(record) is not { } one)
            {
                return null;
            }

            created.Add(one);
        }

        return created.ToImmutable();
    }

    private static ObjectCreated? Created(JsonElement record)
    {
        if (Member(record, "s3") is not { } s3 || Member(s3, "bucket") is not { } bucket || Member(s3, "object") is not { } thing
            || Text(bucket, "name") is not { Length: > 0 } name || Text(thing, "key") is not { Length: > 0 } key)
        {
            return null;
        }

        var text = Text(record, "eventTime");
        var time = DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var parsed) ? parsed : (DateTimeOffset?)null;
        long? size = thing.TryGetProperty("size", out var bytes) && bytes.ValueKind == JsonValueKind.Number && bytes.TryGetInt64(out var value) ? value : null;
        // Keys are form-encoded: a blank is a plus.
        return new ObjectCreated(name, Uri.UnescapeDataString(key.Replace('+', ' ')), size, Text(thing, "eTag")?.Trim('"'), time, Text(thing, "sequencer") ?? text ?? "")
        {
            Record = Encoding.UTF8.GetBytes(record.GetRawText()),
        };
    }

    private static JsonElement? Member(JsonElement of, string name) => of.TryGetProperty(name, out var member) && member.ValueKind == JsonValueKind.Object ? member : null;

    private static string? Text(JsonElement of, string name) => of.TryGetProperty(name, out var member) && member.ValueKind == JsonValueKind.String ? member.GetString() : null;
}
