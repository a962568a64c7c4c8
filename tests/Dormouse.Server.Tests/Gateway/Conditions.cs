namespace Dormouse.Server.Tests.Gateway;

/// <summary>Waits for a state that no event announces.</summary>
internal static class Conditions
{
    /// <summary>Looks until it holds; fails after 20 s with <paramref name="what"/>.</summary>
    public static async Task UntilAsync(Func<bool> holds, string what)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(20));
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
        while (!holds())
        {
            if (limit.IsCancellationRequested)
            {
                Assert.Fail($"It did not come true within 20 s: {what}.");
            }

            await tick.WaitForNextTickAsync(CancellationToken.None);
        }
    }
}
