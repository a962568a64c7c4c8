using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Unicode;
using Confluent.Kafka;
using Dormouse.Core.Events;

namespace Dormouse.Brokers.Kafka;

/// <summary>A partition while it is ours.</summary>
internal sealed class AssignedPartition
{
    /// <summary>Under the source's lock.</summary>
    public PartitionProgress Progress { get; } = new();

    /// <summary>Another member of the group has it, and goes on from what was committed.</summary>
    public volatile bool IsLost;
}

/// <summary>A record that was read, and the partition as it was ours then.</summary>
internal sealed record HeldRecord(ConsumeResult<byte[]?, byte[]?> Record, AssignedPartition Partition);

/// <summary>From records to events.</summary>
internal static class KafkaRecords
{
    /// <summary>
    /// The id has the record's time beside its place: a topic that was deleted and made anew counts from 0 again. Records of a partition are one group, so that they run one after the other.
    /// </summary>
    public static SourceEvent Event(ConsumeResult<byte[]?, byte[]?> record, HeldRecord held, TriggerId trigger)
    {
        var (partition, offset) = (record.Partition.Value.ToString(CultureInfo.InvariantCulture), record.Offset.Value.ToString(CultureInfo.InvariantCulture));
        var written = record.Message.Timestamp;
        return new SourceEvent(
            string.Create(CultureInfo.InvariantCulture, $"{record.Topic}-{partition}-{offset}-{written.UnixTimestampMs}"), "kafka:" + record.Topic, Header(record, "ce_type") ?? "kafka.record",
            written.Type == TimestampType.NotAvailable ? null : DateTimeOffset.FromUnixTimeMilliseconds(written.UnixTimestampMs), record.Message.Value ?? [], Header(record, "content-type"))
        {
            Subject = Text(record.Message.Key),
            Attributes = ImmutableSortedDictionary<string, string>.Empty.Add("partition", partition).Add("offset", offset),
            Group = $"{trigger}:{partition}",
            Handle = held,
        };
    }

    private static string? Header(ConsumeResult<byte[]?, byte[]?> record, string name) =>
        record.Message.Headers is { } headers && headers.TryGetLastBytes(name, out var value) ? Text(value) : null;

    /// <summary>Null when it is no text that a header can carry.</summary>
    private static string? Text(byte[]? bytes) => bytes is { Length: > 0 and <= 1024 } && Utf8.IsValid(bytes) && !bytes.AsSpan().ContainsAnyInRange((byte)0, (byte)31) ? Encoding.UTF8.GetString(bytes) : null;
}
