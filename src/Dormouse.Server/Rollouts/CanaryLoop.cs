using Dormouse.Core.Rollouts;
using Dormouse.Server.Control;
using Dormouse.Server.Routing;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Rollouts;

/// <summary>Asks <see cref="CanaryRule"/> about every canary that runs, when samples are there and every second for the time limits, and carries its decisions out.</summary>
internal sealed partial class CanaryLoop(CanaryWatches watches, EndpointChanges changes, RoutingTable routing, TimeProvider time, ILogger<CanaryLoop> logger) : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _stopping = new();
    private Task _running = Task.CompletedTask;

    /// <summary>Goes on with the canaries that ran when the server ended: their looks and time limits stand, their counts begin anew.</summary>
    public void Start()
    {
        foreach (var endpoint in routing.Endpoints())
        {
            watches.Follow(endpoint);
        }

        _running = RunAsync(_stopping.Token);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_stopping.IsCancellationRequested)
        {
            await _stopping.CancelAsync();
        }

        await _running;
        _stopping.Dispose();
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        await using var timer = time.CreateTimer(_ => watches.Wake(), null, Interval, Interval);
        try
        {
            await foreach (var _ in watches.Due.ReadAllAsync(cancellationToken))
            {
                foreach (var watch in watches.All)
                {
                    await DecideAsync(watch, cancellationToken);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The server stops; the canaries go on at the next start.
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
