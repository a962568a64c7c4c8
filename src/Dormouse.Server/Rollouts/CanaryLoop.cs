using Dormouse.Core.Rollouts;
using Dormouse.Server.Control;
using Dormouse.Server.Routing;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Rollouts;

/// <summary>Asks <see cref="CanaryRule"/> about every canary that runs, when samples are there and every second for the time limits, and carries its decisions out.</summary>
internal sealed partial class CanaryLoop(CanaryWatches watches, EndpointChanges changes, RoutingTable routing, TimeProvider time, ILogger<CanaryLoop> logger) : IAsyncDisposable
{
    private readonly WatchLoop _loop = new(time);

    /// <summary>Goes on with the canaries that ran when the server ended: their looks and time limits stand, their counts begin anew.</summary>
    public void Start()
    {
        foreach (var endpoint in routing.Endpoints())
        {
            watches.Follow(endpoint);
        }

        _loop.Start(watches.Due, watches.Wake, LookAsync);
    }

    public ValueTask DisposeAsync() => _loop.DisposeAsync();

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        foreach (var watch in watches.All)
        {
            await DecideAsync(watch, cancellationToken);
        }
    }

    private async Task DecideAsync(CanaryWatch watch, CancellationToken cancellationToken)
    {
        try
        {
            var decision = watch.Decide(time.GetUtcNow());
            if (decision is not CanaryDecision.Continue { LooksTaken: var looks } || looks != watch.Looks)
            {
                await changes.ApplyCanaryAsync(watch.Revision, decision, cancellationToken);
            }
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            // The top of the loop: the store may take it a second later.
            LogFailed(e, watch.Endpoint.Name);
        }
    }

    [LoggerMessage(EventId = 4301, EventName = "CanaryFailed", Level = LogLevel.Error, Message = "The canary of {Endpoint} could not be decided; it is tried again in a second")]
    private partial void LogFailed(Exception exception, string endpoint);
}
