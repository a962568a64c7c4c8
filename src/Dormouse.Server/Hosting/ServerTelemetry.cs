using Dormouse.Server.Dispatch;
using Dormouse.Server.Logs;
using Dormouse.Server.Routing;
using Dormouse.Server.Telemetry;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Hosting;

/// <summary>Connects what happens to instances with those who count it and keep their lines.</summary>
internal static class ServerTelemetry
{
    public static void Connect(IServiceProvider services)
    {
        var routing = services.GetRequiredService<RoutingTable>();
        var logs = services.GetRequiredService<LogStore>();
        var events = services.GetRequiredService<DispatchEvents>();
        var instances = services.GetRequiredService<InstanceMetrics>();
        var scaling = services.GetRequiredService<ScalingMetrics>();
        var dispatch = services.GetRequiredService<DispatchService>();

        events.Wrote += (instance, line) => logs.Append(instance.Revision.Endpoint, instance.ToString(), line);
    }
}
