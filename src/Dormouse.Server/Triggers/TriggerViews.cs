using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;
using Dormouse.Protocol.Control;

namespace Dormouse.Server.Triggers;

/// <summary>From a trigger to the API's.</summary>
internal static class TriggerViews
{
    /// <param name="lag">Events that wait in its source; null = unknown.</param>
    public static TriggerInfo Info(Trigger trigger, long? lag) => new()
    {
        Name = trigger.Name,
        Kind = trigger.Kind,
        Endpoint = trigger.Endpoint,
        Source = trigger.Source,
        Filter = trigger.Filter,
        Input = trigger.Input,
        BatchSize = trigger.BatchSize,
        BatchWindow = Durations.Format(trigger.BatchWindow),
        State = trigger.IsPaused ? "paused" : trigger.LastError is null ? "active" : "failing",
        Fired = trigger.Fired,
        LastInvocationId = trigger.LastInvocation?.ToString(),
        LastFiredAt = trigger.LastFiredAt,
        LastError = trigger.LastError,
        LastErrorAt = trigger.LastError is null ? null : trigger.LastErrorAt,
        Lag = lag,
        NextAt = trigger.IsPaused ? null : CronKind.NextOf(trigger),
        CreatedAt = trigger.CreatedAt,
    };
}
