using System.Diagnostics.Metrics;
using Dormouse.Server.Hosting.Connections;

namespace Dormouse.Server.Telemetry;

/// <summary>Connections that were cut because there were too many.</summary>
internal sealed class ConnectionMetrics(IMeterFactory meters)
{
    private readonly Counter<long> _refusals = meters.Create(MetricNames.Meter)
        .CreateCounter<long>("dormouse.connection.refusals", "{connection}", "Connections that were cut at once, by the bound that was reached.");

    public void Refused(ConnectionBound reached) => _refusals.Add(1, new KeyValuePair<string, object?>("bound", Words.Of(reached)));
}
