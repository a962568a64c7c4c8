using System.Diagnostics.Metrics;
using Dormouse.Core.Destinations;

namespace Dormouse.Server.Telemetry;

/// <summary>Outcomes on their way to destinations.</summary>
internal sealed class DeliveryMetrics(IMeterFactory meters)
{
    private readonly Counter<long> _attempts = meters.Create(MetricNames.Meter)
        .CreateCounter<long>("dormouse.delivery.attempts", "{attempt}", "Attempts to deliver outcomes to destinations, by what followed.");

    public void Ended(DeliveryVerdict verdict) => _attempts.Add(1, new KeyValuePair<string, object?>("result", verdict switch
    {
        DeliveryVerdict.Delivered => "delivered",
        DeliveryVerdict.Again => "again",
        _ => "dead",
    }));
}
