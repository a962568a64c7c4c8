using System.Collections.Immutable;
using System.Diagnostics.Metrics;
using Dormouse.Core.Queues;
using Dormouse.Server.Routing;

namespace Dormouse.Server.Telemetry;

/// <summary>Asynchronous invocations: how many wait and for how long, as the queue's loop saw them last, and how they ended.</summary>
internal sealed class QueueMetrics
{
    private readonly EndpointLabels _labels;
    private readonly RoutingTable _routes;
    private readonly TimeProvider _time;
    private readonly Counter<long> _accepted;
    private readonly Counter<long> _attempts;
    private ImmutableArray<QueueDepth> _depths = [];

    public QueueMetrics(IMeterFactory meters, EndpointLabels labels, RoutingTable routes, TimeProvider time)
    {
        (_labels, _routes, _time) = (labels, routes, time);
        var meter = meters.Create(MetricNames.Meter);
        _accepted = meter.CreateCounter<long>("dormouse.queue.accepted", "{invocation}", "Asynchronous invocations that were accepted.");
        _attempts = meter.CreateCounter<long>("dormouse.queue.attempts", "{attempt}", "Attempts of asynchronous invocations that ended, by what followed.");
        meter.CreateObservableUpDownCounter("dormouse.queue.depth", Depths, "{invocation}", "Asynchronous invocations by state.");
        meter.CreateObservableGauge("dormouse.queue.oldest", Ages, "s", "How long the asynchronous invocation that is due longest has waited.");
    }

    public void Accepted(QueueItem item) => _accepted.Add(1, Endpoint(item));

    public void Ended(QueueItem item, QueueVerdict verdict) =>
        _attempts.Add(1, Endpoint(item), new("result", verdict is QueueVerdict.Finished finished ? Words.Of(finished.State) : "again"));

    /// <summary>What waits now.</summary>
    public void Saw(ImmutableArray<QueueDepth> depths) => ImmutableInterlocked.InterlockedExchange(ref _depths, depths);

    private IEnumerable<Measurement<long>> Depths()
    {
        var depths = _depths;
        return depths.GroupBy(d => Label(d.Endpoint)).SelectMany(g => new[]
        {
            new Measurement<long>(g.Sum(d => d.Queued), new("endpoint", g.Key), new("state", Words.Of(QueueState.Queued))),
            new Measurement<long>(g.Sum(d => d.Leased), new("endpoint", g.Key), new("state", Words.Of(QueueState.Leased))),
            new Measurement<long>(g.Sum(d => d.Dead), new("endpoint", g.Key), new("state", Words.Of(QueueState.Dead))),
        });
    }

    private IEnumerable<Measurement<double>> Ages()
    {
        var now = _time.GetUtcNow();
        var depths = _depths;
        return depths.Where(d => d.OldestDue is not null).GroupBy(d => Label(d.Endpoint)).Select(g =>
            new Measurement<double>(g.Max(d => (now - d.OldestDue!.Value).TotalSeconds), new KeyValuePair<string, object?>("endpoint", g.Key)));
    }

    private KeyValuePair<string, object?> Endpoint(QueueItem item) => new("endpoint", Label(item.Endpoint));

    private string Label(Core.Endpoints.EndpointId endpoint) => _routes.NameOf(endpoint) is { } name ? _labels.Of(name) : EndpointLabels.Other;
}
