using System.Text.Json.Serialization;

namespace Dormouse.Server.Triggers;

/// <summary>What a schedule's event says of itself.</summary>
internal sealed record CronData(string Trigger, string ScheduledAt);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(CronData))]
internal sealed partial class TriggersJson : JsonSerializerContext;
