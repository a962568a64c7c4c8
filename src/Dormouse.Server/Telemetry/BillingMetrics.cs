using System.Diagnostics.Metrics;

namespace Dormouse.Server.Telemetry;

/// <summary>Metered memory time, to be watched; money is never computed from it.</summary>
internal sealed class BillingMetrics
{
    private readonly EndpointLabels _labels;
    private readonly Counter<double> _memoryTime;

    public BillingMetrics(IMeterFactory meters, EndpointLabels labels)
    {
        _labels = labels;
        _memoryTime = meters.Create(MetricNames.Meter)
            .CreateCounter<double>("dormouse.billing.memory_time", "By.s", "Configured memory × metered time.");
    }

    /// <summary>A receipt was written.</summary>
    public void Metered(string endpoint, int memoryMib, long meteredMicroseconds)
    {
        if (_memoryTime.Enabled)
        {
            _memoryTime.Add(memoryMib * 1048576.0 * meteredMicroseconds / 1e6, new KeyValuePair<string, object?>("endpoint", _labels.Of(endpoint)));
        }
    }
}
