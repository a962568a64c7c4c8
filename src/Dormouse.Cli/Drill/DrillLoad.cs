namespace Dormouse.Cli.Drill;

/// <summary>Calls as many callers send them: at a rate that does not wait for answers, or all at once.</summary>
internal sealed class DrillLoad(DrillCaller caller, double ratePerSecond, TimeProvider time)
{
    /// <summary>Calls on their way at a time; a steady load waits for a free place rather than pile up without bound.</summary>
    private const int InFlightMax = 100;

    /// <summary>Sends one call a beat until <paramref name="over"/>, and returns when all of them have ended.</summary>
    public async Task SteadyAsync(string act, int trips, CancellationToken over, CancellationToken cancellationToken)
    {
        using var places = new SemaphoreSlim(InFlightMax);
        using var beat = new PeriodicTimer(TimeSpan.FromSeconds(1 / ratePerSecond), time);
        var calls = new List<Task>();
        try
        {
            while (await beat.WaitForNextTickAsync(over))
            {
                await places.WaitAsync(over);
                calls.Add(OneAsync());
            }
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
            // The wished end; calls on their way are waited for.
        }
        finally
        {
            await Task.WhenAll(calls);
        }

        async Task OneAsync()
        {
            try
            {
                await caller.CallAsync(act, trips, cancellationToken);
            }
            finally
            {
                places.Release();
            }
        }
    }

    /// <summary>Sends all of them at once and returns when they have ended.</summary>
    public Task BurstAsync(string act, int calls, int trips, CancellationToken cancellationToken) =>
        Task.WhenAll(Enumerable.Range(0, calls).Select(_ => caller.CallAsync(act, trips, cancellationToken)));
}
