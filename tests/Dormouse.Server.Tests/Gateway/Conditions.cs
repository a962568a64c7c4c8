namespace Dormouse.Server.Tests.Gateway;

/// <summary>Waits for a state that no event announces.</summary>
internal static class Conditions
{
    /// <summary>For what never comes; a busy machine is given time.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <summary>Looks until it holds; fails after <see cref="Patience"/> with <paramref name="what"/>.</summary>
    public static async Task UntilAsync(Func<bool> holds, string what)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Patience);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
        while (!holds())
        {
            if (limit.IsCancellationRequested)
            {
                Assert.Fail($"It did not come true within {Patience.TotalSeconds} s: {what}.");
            }

            await tick.WaitForNextTickAsync(CancellationToken.None);
        }
    }
}
