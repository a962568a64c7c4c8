using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Dormouse.Core.Batches;

namespace Dormouse.Server.Telemetry;

/// <summary>What batch jobs got done, and how many of their items are between input and results.</summary>
internal sealed class BatchMetrics
{
    private readonly ConcurrentDictionary<BatchId, (string Endpoint, long Items)> _held = new();
    private readonly EndpointLabels _labels;
    private readonly Counter<long> _items;

    public BatchMetrics(IMeterFactory meters, EndpointLabels labels)
    {
        _labels = labels;
        var meter = meters.Create(MetricNames.Meter);
        _items = meter.CreateCounter<long>("dormouse.batch.items", "{item}", "Items of batch jobs, by what became of them.");
        meter.CreateObservableUpDownCounter("dormouse.batch.jobs", () => ByEndpoint(g => g.LongCount()), "{job}", "Batch jobs of which something is still to happen.");
        meter.CreateObservableGauge("dormouse.batch.lag", () => ByEndpoint(g => g.Sum(h => h.Items)), "{item}", "Items of batch jobs between input and results.");
    }

    public void Ended(BatchJob job, long succeeded, long failed)
    {
        Count(job, succeeded, "succeeded");
        Count(job, failed, "failed");
    }

    public void Skipped(BatchJob job, long items) => Count(job, items, "skipped");

    public void Held(BatchJob job) => _held[job.Id] = (_labels.Of(job.EndpointName), job.InWindow);

    public void Stopped(BatchJob job) => _held.TryRemove(job.Id, out _);

    private void Count(BatchJob job, long items, string result)
    {
        if (items > 0)
        {
            _items.Add(items, new("endpoint", _labels.Of(job.EndpointName)), new("result", result));
        }
    }

    private IEnumerable<Measurement<long>> ByEndpoint(Func<IGrouping<string, (string Endpoint, long Items)>, long> value) =>
        _held.Values.GroupBy(h => h.Endpoint).Select(g => new Measurement<long>(value(g), new KeyValuePair<string, object?>("endpoint", g.Key)));
}
