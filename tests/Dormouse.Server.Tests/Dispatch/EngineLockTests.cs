using Dormouse.Server.Dispatch;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Dispatch;

public sealed class EngineLockTests
{
    [Fact]
    public async Task Only_one_thread_at_a_time_is_inside()
    {
        var gate = new EngineLock();
        var inside = 0;
        var overlaps = 0;
        var entries = 0;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Factory.StartNew(
            () =>
            {
                for (var i = 0; i < 20_000; i++)
                {
                    using (gate.Enter())
                    {
                        overlaps += Interlocked.Increment(ref inside) - 1;
                        entries++;
                        Interlocked.Decrement(ref inside);
                    }
                }
            },
            TestContext.Current.CancellationToken,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default)));
        Assert.Equal((0, 160_000), (overlaps, entries));
    }

    [Fact]
    public async Task A_thread_that_looked_in_vain_sleeps_and_is_woken()
    {
        var gate = new EngineLock();
        var entered = new TaskCompletionSource();
        using (gate.Enter())
        {
            var other = new Thread(() =>
            {
                using (gate.Enter())
                {
                    entered.SetResult();
                }
            });
            other.Start();
            Assert.True(SpinWait.SpinUntil(() => other.ThreadState.HasFlag(ThreadState.WaitSleepJoin), Conditions.Patience));
            Assert.False(entered.Task.IsCompleted);
        }

        await entered.Task.WaitAsync(Conditions.Patience, TestContext.Current.CancellationToken);
    }
}
