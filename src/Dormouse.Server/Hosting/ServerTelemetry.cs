using System.Globalization;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Logs;
using Dormouse.Server.Routing;
using Dormouse.Server.Secrets;
using Dormouse.Server.Telemetry;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

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
        var masks = services.GetRequiredService<InstanceMasks>();
        var logger = services.GetRequiredService<ILoggerFactory>().CreateLogger("Dormouse.Scaling");

        events.StartDecided += (revision, start) => scaling.StartDecided(NameOf(revision), start.Cause);
        events.StopDecided += (revision, stop) => scaling.StopDecided(NameOf(revision), stop.Reason);
        events.Ready += (revision, instance, ready) =>
        {
            if (ready.Rung == Rung.Thaw)
            {
                instances.Thawed(NameOf(revision), ready.StartTime);
                return;
            }

            if (ready.Rung == Rung.Restore || ready.RungReason == RungReason.RestoreFailed)
                instances.Restored(NameOf(revision), ready.Rung == Rung.Restore);
            instances.ColdStarted(NameOf(revision), ready.StartTime, ready.LoadTime);
            logs.Append(revision.Id.Endpoint, LogStore.ServerSource, string.Create(
                CultureInfo.InvariantCulture, $"{instance} is ready (start {ready.StartTime.TotalMilliseconds:0.0} ms, load {ready.LoadTime.TotalMilliseconds:0.0} ms)"));
        };
        // Why starts failed and instances were lost is in the change that follows from it.
        events.Failed += (revision, _, failure) => instances.StartFailed(NameOf(revision), failure.Kind);
        events.Lost += (revision, _, loss) => instances.Lost(NameOf(revision), loss.Kind);
        events.Changed += (revision, change) =>
        {
            logs.Append(revision.Id.Endpoint, LogStore.ServerSource, $"r{change.Revision} {change.From} → {change.To}: {change.Reason}");
            ScalingEvents.Changed(logger, NameOf(revision), change.Revision, change.From, change.To, change.Reason);
        };
        events.Wrote += (instance, line) => logs.Append(instance.Revision.Endpoint, instance.ToString(), masks.Apply(instance, line));
        events.Gone += masks.End;
        instances.Observe(() => dispatch.CountInstances().Select(c => new InstanceCount(NameOf(c.Revision), c.State, c.Count)));
        instances.ObserveLimits(() => dispatch.ConcurrencyLimits().Select(l => (NameOf(l.Revision), l.Revision.Id.Number, l.Limit)));

        string NameOf(Revision revision) => routing.NameOf(revision.Id.Endpoint) ?? EndpointLabels.Other;
    }
}
