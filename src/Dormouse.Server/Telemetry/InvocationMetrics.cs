using System.Diagnostics.Metrics;
using System.Globalization;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Problems;

namespace Dormouse.Server.Telemetry;

/// <summary>What happened to invocations. Metrics inform; the ledger bills.</summary>
internal sealed class InvocationMetrics
{
    private static readonly double[] Bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

    private static readonly long[] BatchBounds = [1, 2, 4, 8, 16, 32, 64, 128, 256];

    private readonly EndpointLabels _labels;
    private readonly Histogram<double> _duration;
    private readonly Histogram<double> _queueDuration;
    private readonly Histogram<long> _batchSize;
    private readonly Counter<long> _refusals;
    private readonly Counter<long> _retries;

    public InvocationMetrics(IMeterFactory meters, EndpointLabels labels)
    {
        var meter = meters.Create(MetricNames.Meter);
        _labels = labels;
        var advice = new InstrumentAdvice<double> { HistogramBucketBoundaries = Bounds };
        _duration = meter.CreateHistogram("dormouse.invocation.duration", "s", "Arrival of an invocation to its answer.", advice: advice);
        _queueDuration = meter.CreateHistogram("dormouse.invocation.queue.duration", "s", "Wait of an invocation for its slot.", advice: advice);
        _batchSize = meter.CreateHistogram(
            "dormouse.batch.size", "{row}", "Rows of a run that invocations may share.", advice: new InstrumentAdvice<long> { HistogramBucketBoundaries = BatchBounds });
        _refusals = meter.CreateCounter<long>("dormouse.invocation.refusals", "{invocation}", "Invocations that got no slot.");
        _retries = meter.CreateCounter<long>("dormouse.invocation.retries", "{invocation}", "Silent retries after an instance was lost.");
    }

    /// <summary>An invocation that had a slot was answered (or its caller left).</summary>
    public void Ended(string endpoint, int revision, Outcome outcome, TimeSpan duration)
    {
        if (_duration.Enabled)
        {
            _duration.Record(duration.TotalSeconds, Endpoint(endpoint), Revision(revision), new("outcome", Words.Of(outcome)));
        }
    }

    /// <summary>An invocation got its slot after <paramref name="waited"/>.</summary>
    public void Granted(string endpoint, StartKind start, TimeSpan waited)
    {
        if (_queueDuration.Enabled)
        {
            _queueDuration.Record(waited.TotalSeconds, Endpoint(endpoint), new("start", Words.Of(start)));
        }
    }

    /// <summary>A run that invocations may share ended.</summary>
    public void BatchRan(string endpoint, long rows)
    {
        if (_batchSize.Enabled)
        {
            _batchSize.Record(rows, Endpoint(endpoint));
        }
    }

    public void Refused(string endpoint, ProblemCode code) => _refusals.Add(1, Endpoint(endpoint), new("code", code.Code));

    public void Retried(string endpoint) => _retries.Add(1, Endpoint(endpoint));

    private static KeyValuePair<string, object?> Revision(int number) => new("revision", "r" + number.ToString(CultureInfo.InvariantCulture));

    private KeyValuePair<string, object?> Endpoint(string name) => new("endpoint", _labels.Of(name));
}
