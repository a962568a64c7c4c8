namespace Dormouse.Server.Hosting;

/// <summary>Work that is done again and again while the server runs, one round at a time.</summary>
/// <param name="round">Does the work once and handles its own failures. Cancelled when the server stops.</param>
internal sealed class PeriodicWork(TimeSpan interval, bool isDoneAtStart, Func<CancellationToken, Task> round, TimeProvider time) : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _life = new();
    private Task _running = Task.CompletedTask;
    private bool _isStopped;

    /// <summary>Does nothing once it was disposed: a server may be stopped while it still comes up.</summary>
    public void Start()
    {
        lock (_life)
        {
            if (!_isStopped)
            {
                _running = RunAsync(_stopping.Token);
            }
        }
    }

    /// <summary>Ends the round under way. Idempotent.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_life)
        {
            if (_isStopped)
            {
                return;
            }

            _isStopped = true;
        }

        await _stopping.CancelAsync();
        await _running;
        _stopping.Dispose();
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        // Off the caller's thread, who holds the lock.
        await Task.Yield();
        using var timer = new PeriodicTimer(interval, time);
        try
        {
            if (isDoneAtStart)
            {
                await round(cancellationToken);
            }

            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                await round(cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }
}
