using System.Diagnostics.Metrics;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;

namespace Dormouse.Server.Telemetry;

/// <summary>Instances of one endpoint in one state.</summary>
internal readonly record struct InstanceCount(string Endpoint, InstanceState State, int Count);

/// <summary>Starts, losses and the number of instances.</summary>
internal sealed class InstanceMetrics
{
    private static readonly double[] Bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

    private readonly EndpointLabels _labels;
    private readonly Meter _meter;
    private readonly Histogram<double> _coldStart;
    private readonly Histogram<double> _thaw;
    private readonly Counter<long> _restores;
    private readonly Counter<long> _failures;
    private readonly Counter<long> _losses;

    public InstanceMetrics(IMeterFactory meters, EndpointLabels labels)
    {
        _labels = labels;
        _meter = meters.Create(MetricNames.Meter);
        _coldStart = _meter.CreateHistogram("dormouse.instance.cold_start.duration", "s", "Start of an instance by phase.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = Bounds });
        _thaw = _meter.CreateHistogram("dormouse.instance.thaw.duration", "s", "Thaw of a frozen instance.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = Bounds });
        _restores = _meter.CreateCounter<long>("dormouse.instance.restores", "{instance}", "Starts from a snapshot, restored or failed.");
        _failures = _meter.CreateCounter<long>("dormouse.instance.start_failures", "{instance}", "Instances that did not become ready.");
        _losses = _meter.CreateCounter<long>("dormouse.instance.losses", "{instance}", "Ready instances that ended by themselves.");
    }

    /// <summary>An instance became ready: <paramref name="start"/> until its model began to load, <paramref name="load"/> for loading.</summary>
    public void ColdStarted(string endpoint, TimeSpan start, TimeSpan load)
    {
        if (_coldStart.Enabled)
        {
            _coldStart.Record(start.TotalSeconds, Endpoint(endpoint), new("phase", "start"));
            _coldStart.Record(load.TotalSeconds, Endpoint(endpoint), new("phase", "load"));
        }
    }

    /// <summary>A frozen instance serves again.</summary>
    public void Thawed(string endpoint, TimeSpan thaw) => _thaw.Record(thaw.TotalSeconds, Endpoint(endpoint));

    /// <summary>An instance started that was to be a fork of a template restored from disk.</summary>
    /// <param name="isRestored">False: it was started in another way after that had failed.</param>
    public void Restored(string endpoint, bool isRestored) => _restores.Add(1, Endpoint(endpoint), new("result", isRestored ? "restored" : "failed"));

    public void StartFailed(string endpoint, StartFailureKind kind) => _failures.Add(1, Endpoint(endpoint), new("reason", Words.Of(kind)));

    public void Lost(string endpoint, InstanceLossKind kind) => _losses.Add(1, Endpoint(endpoint), new("reason", Words.Of(kind)));

    /// <summary>Registers who counts the instances; called at each collection. Called once, by the composition.</summary>
    public void Observe(Func<IEnumerable<InstanceCount>> count) =>
        _meter.CreateObservableUpDownCounter("dormouse.instance.count", () => Measure(count()), "{instance}", "Instances by state.");

    /// <summary>Registers who tells the found limits; called at each collection. Called once, by the composition.</summary>
    public void ObserveLimits(Func<IEnumerable<(string Endpoint, int Revision, int Limit)>> limits) =>
        _meter.CreateObservableGauge(
            "dormouse.instance.concurrency_limit",
            () => limits().Select(l => new Measurement<int>(l.Limit, new("endpoint", _labels.Of(l.Endpoint)), new("revision", "r" + l.Revision.ToString(System.Globalization.CultureInfo.InvariantCulture)))),
            "{invocation}", "Runs that an instance may have at once, where that is found from run times.");

    private IEnumerable<Measurement<int>> Measure(IEnumerable<InstanceCount> counts) =>
        counts
            .GroupBy(c => (Endpoint: _labels.Of(c.Endpoint), c.State))
            .Select(g => new Measurement<int>(g.Sum(c => c.Count), new("endpoint", g.Key.Endpoint), new("state", Words.Of(g.Key.State))));

    private KeyValuePair<string, object?> Endpoint(string name) => new("endpoint", _labels.Of(name));
}
