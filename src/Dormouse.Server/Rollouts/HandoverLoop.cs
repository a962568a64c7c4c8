using Dormouse.Core.Rollouts;
using Dormouse.Core.Sharing;
using Dormouse.Server.Control;
using Dormouse.Server.Routing;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Rollouts;

/// <summary>Asks <see cref="HandoverRule"/> about every handover, when an instance came or failed and every second for the time limits, and carries its decisions out.</summary>
internal sealed partial class HandoverLoop(HandoverWatches watches, EndpointChanges changes, RoutingTable routing, IServerSharing sharing, TimeProvider time, ILogger<HandoverLoop> logger) : IAsyncDisposable
{
    private readonly WatchLoop _loop = new(time);

    /// <summary>
    /// Goes on with the handovers that the last server left: one that warmed starts its instances again, as many as were counted, and its time limit begins anew; old instances are started
    /// again and kept until the moment that was set when the traffic moved.
    /// </summary>
    public void Start()
    {
        foreach (var route in routing.Routes())
        {
            watches.Follow(route);
        }

        _loop.Start(watches.Due, watches.Wake, LookAsync);
    }

    public ValueTask DisposeAsync() => _loop.DisposeAsync();

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        // Of servers that share the store one says when; the others warm and keep their own instances.
        if (!sharing.IsOwner)
        {
            return;
        }

        foreach (var watch in watches.All)
        {
            await DecideAsync(watch, cancellationToken);
        }
    }

    private async Task DecideAsync(HandoverWatch watch, CancellationToken cancellationToken)
    {
        try
        {
            var decision = watch.Decide();
            if (decision is not HandoverDecision.Wait)
            {
                await changes.ApplyHandoverAsync(watch.Route.Endpoint.Id, decision, cancellationToken);
            }
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            // The top of the loop: the store may take it a second later.
            LogFailed(e, watch.Route.Endpoint.Name);
        }
    }

    [LoggerMessage(EventId = 4302, EventName = "HandoverFailed", Level = LogLevel.Error, Message = "The handover of {Endpoint} could not be decided; it is tried again in a second")]
    private partial void LogFailed(Exception exception, string endpoint);
}
