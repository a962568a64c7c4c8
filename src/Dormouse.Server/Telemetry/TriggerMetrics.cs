using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Dormouse.Core.Events;

namespace Dormouse.Server.Telemetry;

/// <summary>What triggers fire, and what waits in their sources. At most as many series as there are names of triggers: those of tenants that chose the same one are added up.</summary>
internal sealed class TriggerMetrics
{
    private readonly ConcurrentDictionary<TriggerId, (string Name, long Events)> _lags = new();
    private readonly Counter<long> _events;

    public TriggerMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(MetricNames.Meter);
        _events = meter.CreateCounter<long>("dormouse.trigger.events", "{event}", "Events of triggers, by what became of them.");
        meter.CreateObservableGauge(
            "dormouse.trigger.lag", () => _lags.Values.GroupBy(l => l.Name).Select(g => new Measurement<long>(g.Sum(l => l.Events), new KeyValuePair<string, object?>("trigger", g.Key))), "{event}", "Events that wait in a trigger's source.");
    }

    public void Fired(Trigger trigger, int events) => Count(trigger, events, "queued");

    /// <summary>The filter did not let them through.</summary>
    public void Passed(Trigger trigger, int events) => Count(trigger, events, "passed");

    public void Rejected(Trigger trigger) => Count(trigger, 1, "rejected");

    public void Lags(Trigger trigger, long? events)
    {
        if (events is { } count)
        {
            _lags[trigger.Id] = (trigger.Name, count);
        }
    }

    /// <summary>What waited in its source when that was looked at last; null where it does not say, or another server pulls.</summary>
    public long? LagOf(TriggerId trigger) => _lags.TryGetValue(trigger, out var lag) ? lag.Events : null;

    public void Stopped(Trigger trigger) => _lags.TryRemove(trigger.Id, out _);

    private void Count(Trigger trigger, int events, string result) => _events.Add(events, new("trigger", trigger.Name), new("result", result));
}
