using System.Diagnostics.Metrics;

namespace Dormouse.Server.Telemetry;

/// <summary>Files that are read ahead of calls.</summary>
internal sealed class PrefetchMetrics
{
    private readonly EndpointLabels _labels;
    private readonly Counter<long> _runs;
    private readonly Counter<long> _bytes;

    public PrefetchMetrics(IMeterFactory meters, EndpointLabels labels)
    {
        _labels = labels;
        var meter = meters.Create(MetricNames.Meter);
        _runs = meter.CreateCounter<long>("dormouse.prefetch.runs", "{prefetch}", "Times that files of a start were to be read ahead of a call, by what became of it.");
        _bytes = meter.CreateCounter<long>("dormouse.prefetch.bytes", "By", "Bytes of such files that were not in memory and were asked for.");
    }

    public void Ended(string endpoint, string result, long bytes)
    {
        var label = KeyValuePair.Create<string, object?>("endpoint", _labels.Of(endpoint));
        _runs.Add(1, label, new("result", result));
        if (bytes > 0)
        {
            _bytes.Add(bytes, label);
        }
    }
}
