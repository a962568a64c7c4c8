using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dormouse.Core.Rollouts;

namespace Dormouse.Storage.Sql;

/// <summary>A handover as it is stored, with settable members for the same reason as <see cref="StoredSpec"/>.</summary>
internal sealed class StoredHandover
{
    public int SchemaVersion { get; set; } = 1;

    /// <summary>As in the column <c>traffic</c>.</summary>
    public string Traffic { get; set; } = "";

    /// <summary>Null = its share of the instances in use.</summary>
    public int? Warm { get; set; }

    public TimeSpan KeepOld { get; set; }

    public TimeSpan TimeLimit { get; set; }

    public string State { get; set; } = "";

    /// <summary>Instances by revision, such as <c>3=2,4=1</c>.</summary>
    public string Standby { get; set; } = "";

    public string? Reason { get; set; }

    /// <summary>µs since 1970 UTC.</summary>
    public long? StartedAt { get; set; }

    public long? MovedAt { get; set; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(StoredHandover))]
internal sealed partial class StoredHandoverJson : JsonSerializerContext;

/// <summary>Handovers to and from their column.</summary>
internal static class HandoverJson
{
    public static string? Write(Handover? handover) => handover is null ? null : JsonSerializer.Serialize(
        new StoredHandover
        {
            Traffic = TrafficText.Write(handover.Traffic),
            Warm = handover.Policy.Warm,
            KeepOld = handover.Policy.KeepOld,
            TimeLimit = handover.Policy.TimeLimit,
            State = Codes.HandoverStates.Text(handover.State),
            Standby = string.Join(',', handover.Standby.Select(s => string.Create(CultureInfo.InvariantCulture, $"{s.Revision}={s.Instances}"))),
            Reason = handover.Reason,
            StartedAt = handover.StartedAt is { } started ? StoredTime.ToMicroseconds(started) : null,
            MovedAt = handover.MovedAt is { } moved ? StoredTime.ToMicroseconds(moved) : null,
        },
        StoredHandoverJson.Default.StoredHandover);

    public static Handover Read(string json)
    {
        var stored = JsonSerializer.Deserialize(json, StoredHandoverJson.Default.StoredHandover)
            ?? throw new InvalidDataException("A stored handover is the JSON word null.");
        return new Handover
        {
            Traffic = TrafficText.Read(stored.Traffic),
            Policy = new HandoverPolicy(stored.Warm, stored.KeepOld, stored.TimeLimit),
            State = Codes.HandoverStates.Value(stored.State),
            Standby = Shares(stored.Standby),
            Reason = stored.Reason,
            StartedAt = stored.StartedAt is { } started ? StoredTime.FromMicroseconds(started) : null,
            MovedAt = stored.MovedAt is { } moved ? StoredTime.FromMicroseconds(moved) : null,
        };
    }

    private static ImmutableArray<InstanceShare> Shares(string text) => text.Length == 0 ? [] : [.. text.Split(',').Select(Share)];

    private static InstanceShare Share(string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        return new InstanceShare(int.Parse(text.AsSpan(0, equals), CultureInfo.InvariantCulture), int.Parse(text.AsSpan(equals + 1), CultureInfo.InvariantCulture));
    }
}
