using System.Threading.Channels;

namespace Dormouse.Server.Rollouts;

/// <summary>What canaries and handovers have in common in time: all that is watched is looked at when somebody wakes it, and every second for the time limits.</summary>
internal sealed class WatchLoop(TimeProvider time) : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _stopping = new();
    private Task _running = Task.CompletedTask;

    /// <param name="due">Gives something whenever <paramref name="wake"/> was called.</param>
    /// <param name="lookAsync">Looks at all that is watched; faults are its own to handle.</param>
    public void Start(ChannelReader<bool> due, Action wake, Func<CancellationToken, Task> lookAsync) => _running = RunAsync(due, wake, lookAsync, _stopping.Token);

    public async ValueTask DisposeAsync()
    {
        if (!_stopping.IsCancellationRequested)
        {
            await _stopping.CancelAsync();
        }

        await _running;
        _stopping.Dispose();
    }

    private async Task RunAsync(ChannelReader<bool> due, Action wake, Func<CancellationToken, Task> lookAsync, CancellationToken cancellationToken)
    {
        await using var timer = time.CreateTimer(_ => wake(), null, Interval, Interval);
        try
        {
            await foreach (var _ in due.ReadAllAsync(cancellationToken))
            {
                await lookAsync(cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The server stops; what is watched goes on at the next start.
        }
    }
}
