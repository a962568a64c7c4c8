namespace Dormouse.Server.Telemetry;

internal static class MetricNames
{
    public const string Meter = "Dormouse";
}
