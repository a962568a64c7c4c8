using System.Diagnostics.Metrics;
using Dormouse.Server.Rollouts;

namespace Dormouse.Server.Telemetry;

/// <summary>What became of invocations that were chosen for mirroring.</summary>
internal sealed class MirrorMetrics
{
    private readonly EndpointLabels _labels;
    private readonly Counter<long> _requests;

    public MirrorMetrics(IMeterFactory meters, EndpointLabels labels)
    {
        _labels = labels;
        _requests = meters.Create(MetricNames.Meter).CreateCounter<long>("dormouse.mirror.requests", "{invocation}", "Invocations that were chosen for mirroring.");
    }

    public void Count(string endpoint, MirrorResult result) => _requests.Add(1, new KeyValuePair<string, object?>("endpoint", _labels.Of(endpoint)), new("result", Words.Of(result)));
}
