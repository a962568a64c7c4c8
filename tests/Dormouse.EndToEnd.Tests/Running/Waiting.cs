namespace Dormouse.EndToEnd.Tests.Running;

/// <summary>
/// Waits for a fact about other processes that none of them announces (a file, a process id). The look is repeated; nothing depends on how often, and the limit is for what never comes: a busy machine is given time.
/// </summary>
internal static class Waiting
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    public static Task UntilAsync(Func<bool> fact, string what, CancellationToken cancellationToken) =>
        UntilAsync(() => Task.FromResult(fact()), what, cancellationToken);

    /// <param name="what">Asked for when it did not come.</param>
    public static Task UntilAsync(Func<bool> fact, Func<string> what, CancellationToken cancellationToken) =>
        UntilAsync(() => Task.FromResult(fact()), what, cancellationToken);

    public static Task UntilAsync(Func<Task<bool>> fact, string what, CancellationToken cancellationToken) => UntilAsync(fact, () => what, cancellationToken);

    private static async Task UntilAsync(Func<Task<bool>> fact, Func<string> what, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        using var limit = new CancellationTokenSource(Limit);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        while (!await fact())
        {
            try
            {
                await timer.WaitForNextTickAsync(linked.Token);
            }
            catch (OperationCanceledException) when (limit.IsCancellationRequested)
            {
                Assert.Fail($"Waited {Limit.TotalSeconds} s until {what()}; it did not come.");
            }
        }
    }
}
