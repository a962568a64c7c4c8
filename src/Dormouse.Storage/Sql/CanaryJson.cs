using System.Text.Json;
using System.Text.Json.Serialization;
using Dormouse.Core.Rollouts;

namespace Dormouse.Storage.Sql;

/// <summary>A canary as it is stored, with settable members for the same reason as <see cref="StoredSpec"/>.</summary>
internal sealed class StoredCanary
{
    public int SchemaVersion { get; set; } = 1;

    public int Revision { get; set; }

    public int Percent { get; set; }

    public int SamplesMin { get; set; }

    public TimeSpan TimeLimit { get; set; }

    public string State { get; set; } = "";

    public int LooksTaken { get; set; }

    public string? Reason { get; set; }

    /// <summary>As in the column <c>traffic</c>.</summary>
    public string OldTraffic { get; set; } = "";

    public string EarlierTraffic { get; set; } = "";

    /// <summary>µs since 1970 UTC.</summary>
    public long? StartedAt { get; set; }

    public long? EndedAt { get; set; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(StoredCanary))]
internal sealed partial class StoredCanaryJson : JsonSerializerContext;

/// <summary>Canaries to and from their column.</summary>
internal static class CanaryJson
{
    public static string? Write(Canary? canary) => canary is null ? null : JsonSerializer.Serialize(
        new StoredCanary
        {
            Revision = canary.Revision,
            Percent = canary.Policy.Percent,
            SamplesMin = canary.Policy.SamplesMin,
            TimeLimit = canary.Policy.TimeLimit,
            State = Codes.CanaryStates.Text(canary.State),
            LooksTaken = canary.LooksTaken,
            Reason = canary.Reason,
            OldTraffic = TrafficText.Write(canary.OldTraffic),
            EarlierTraffic = TrafficText.Write(canary.EarlierTraffic),
            StartedAt = canary.StartedAt is { } started ? StoredTime.ToMicroseconds(started) : null,
            EndedAt = canary.EndedAt is { } ended ? StoredTime.ToMicroseconds(ended) : null,
        },
        StoredCanaryJson.Default.StoredCanary);

    public static Canary Read(string json)
    {
        var stored = JsonSerializer.Deserialize(json, StoredCanaryJson.Default.StoredCanary)
            ?? throw new InvalidDataException("A stored canary is the JSON word null.");
        return new Canary
        {
            Revision = stored.Revision,
            Policy = new CanaryPolicy(stored.Percent, stored.SamplesMin, stored.TimeLimit),
            State = Codes.CanaryStates.Value(stored.State),
            LooksTaken = stored.LooksTaken,
            Reason = stored.Reason,
            OldTraffic = TrafficText.Read(stored.OldTraffic),
            EarlierTraffic = TrafficText.Read(stored.EarlierTraffic),
            StartedAt = stored.StartedAt is { } started ? StoredTime.FromMicroseconds(started) : null,
            EndedAt = stored.EndedAt is { } ended ? StoredTime.FromMicroseconds(ended) : null,
        };
    }
}
