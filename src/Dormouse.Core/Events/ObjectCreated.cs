using System.Buffers;
using System.Globalization;
using System.Text.Json;

namespace Dormouse.Core.Events;

/// <summary>An object that was written into a bucket.</summary>
/// <param name="Key">As it is, decoded.</param>
/// <param name="Size">Bytes; null = it was not said.</param>
/// <param name="ETag">Without quotation marks; null = it was not said.</param>
/// <param name="Sequence">Tells writes of one key apart: the sequencer of a notification, or the time of the write.</param>
public sealed record ObjectCreated(string Bucket, string Key, long? Size, string? ETag, DateTimeOffset? Time, string Sequence)
{
    /// <summary>The form in which functions of AWS Lambda get it; empty = it did not come as such.</summary>
    public ReadOnlyMemory<byte> Record { get; init; }

    /// <summary>The event that a trigger makes of it: <c>{"bucket","key","size","etag"}</c>.</summary>
    public SourceEvent Event() =>
        new(string.Create(CultureInfo.InvariantCulture, $"{Key}:{ETag}:{Sequence}"), "s3:" + Bucket, "dormouse.object.created", Time, Data(), "application/json") { Subject = Key };

    /// <summary>The same as one member of the <c>Records</c> that functions of AWS Lambda get.</summary>
    public SourceEvent RecordEvent() => Event() with { Data = Record.IsEmpty ? WriteRecord() : Record, Envelope = "Records" };

    private ReadOnlyMemory<byte> Data() => Write(json =>
    {
        json.WriteString("bucket", Bucket);
        json.WriteString("key", Key);
        Described(json, "etag");
    });

    private ReadOnlyMemory<byte> WriteRecord() => Write(json =>
    {
        json.WriteString("eventVersion", "2.1");
        json.WriteString("eventSource", "aws:s3");
        json.WriteString("eventTime", Time?.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
        json.WriteString("eventName", "ObjectCreated:Put");
        json.WriteStartObject("s3");
        json.WriteString("s3SchemaVersion", "1.0");
        json.WriteStartObject("bucket");
        json.WriteString("name", Bucket);
        json.WriteString("arn", "arn:aws:s3:::" + Bucket);
        json.WriteEndObject();
        json.WriteStartObject("object");
        json.WriteString("key", Uri.EscapeDataString(Key).Replace("%20", "+", StringComparison.Ordinal).Replace("%2F", "/", StringComparison.Ordinal));
        Described(json, "eTag");
        json.WriteString("sequencer", Sequence);
        json.WriteEndObject();
        json.WriteEndObject();
    });

    private void Described(Utf8JsonWriter json, string etag)
    {
        if (Size is { } size)
        {
            json.WriteNumber("size", size);
        }

        if (ETag is not null)
        {
            json.WriteString(etag, ETag);
        }
    }

    private static ReadOnlyMemory<byte> Write(Action<Utf8JsonWriter> members)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        members(json);
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }
}
