using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Telemetry;

/// <summary>Log events of scaling.</summary>
internal static partial class ScalingEvents
{
    [LoggerMessage(EventId = 2110, EventName = "InstancesChanged", Level = LogLevel.Debug, Message = "Endpoint {Endpoint}, revision r{Revision}: {From} → {To} instances: {Reason}")]
    public static partial void Changed(ILogger logger, string endpoint, int revision, int from, int to, string reason);
}
