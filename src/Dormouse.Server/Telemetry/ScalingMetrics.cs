using System.Diagnostics.Metrics;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;

namespace Dormouse.Server.Telemetry;

/// <summary>Decisions to start or stop an instance, by reason.</summary>
internal sealed class ScalingMetrics
{
    private readonly EndpointLabels _labels;
    private readonly Counter<long> _decisions;

    public ScalingMetrics(IMeterFactory meters, EndpointLabels labels)
    {
        _labels = labels;
        _decisions = meters.Create(MetricNames.Meter)
            .CreateCounter<long>("dormouse.scaling.decisions", "{decision}", "Instances that were started or stopped, by reason.");
    }

    public void StartDecided(string endpoint, StartCause cause) =>
        _decisions.Add(1, new("endpoint", _labels.Of(endpoint)), new("reason", "start_" + Words.Of(cause)));

    public void StopDecided(string endpoint, StopReason reason) =>
        _decisions.Add(1, new("endpoint", _labels.Of(endpoint)), new("reason", "stop_" + Words.Of(reason)));
}
