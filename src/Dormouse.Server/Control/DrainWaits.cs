namespace Dormouse.Server.Control;

/// <summary>
/// Waits a moment for something that may take as long as the longest run. What takes longer goes on without its caller; the server's stop ends it.
/// </summary>
internal sealed class DrainWaits(TimeProvider time) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _stopping = new();

    /// <summary>False when it still goes on.</summary>
    public async Task<bool> WaitAsync(Func<CancellationToken, Task> work, CancellationToken cancellationToken)
    {
        var working = work(_stopping.Token);
        try
        {
            await working.WaitAsync(Patience, time, cancellationToken);
            return true;
        }
        catch (TimeoutException) when (!working.IsCompleted)
        {
            // Its outcome is seen in the endpoint's absence; a fault of the store would have come before the wait for runs.
            return false;
        }
    }

    public void Dispose()
    {
        _stopping.Cancel();
        _stopping.Dispose();
    }
}
