using System.Diagnostics.Metrics;
using Dormouse.Server.Overflow;

namespace Dormouse.Server.Telemetry;

/// <summary>What became of invocations that were to go to an overflow address.</summary>
internal sealed class OverflowMetrics
{
    private readonly EndpointLabels _labels;
    private readonly Counter<long> _requests;

    public OverflowMetrics(IMeterFactory meters, EndpointLabels labels)
    {
        _labels = labels;
        _requests = meters.Create(MetricNames.Meter).CreateCounter<long>(
            "dormouse.overflow.requests", "{invocation}", "Invocations without capacity here whose revision has an overflow address.");
    }

    public void Full(string endpoint) => Count(endpoint, "full");

    public void Ended(string endpoint, LaneEnd end) => Count(endpoint, end switch
    {
        LaneEnd.Answered => "answered",
        LaneEnd.NotTaken => "not_taken",
        LaneEnd.CallerLeft => "caller_left",
        LaneEnd.NotSent => "not_sent",
        _ => "failed",
    });

    private void Count(string endpoint, string result) => _requests.Add(1, new KeyValuePair<string, object?>("endpoint", _labels.Of(endpoint)), new("result", result));
}
