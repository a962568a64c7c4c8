using CsCheck;
using Dormouse.Core.Dispatch;

namespace Dormouse.Core.Tests.Dispatch;

public sealed class GrantTimesTests
{
    [Theory]
    [InlineData(0, 11, 6, 3, 2)] // came before the start began at 5
    [InlineData(6, 11, 1, 2, 2)] // in the middle of the start
    [InlineData(9, 11, 1, 0, 1)] // in the middle of the load
    [InlineData(10, 11, 1, 0, 0)] // when it was ready
    [InlineData(6, 7, 0, 1, 0)]
    [InlineData(11, 11, 0, 0, 0)]
    public void A_wait_is_laid_over_a_start_of_3_and_a_load_of_2_that_ended_at_10(int arrived, int granted, int queue, int start, int load)
    {
        var parts = GrantTimes.Split(At(arrived), At(granted), At(10), TimeSpan.FromMilliseconds(3), TimeSpan.FromMilliseconds(2));

        Assert.Equal((queue, start, load), (parts.Queue.TotalMilliseconds, parts.Start.TotalMilliseconds, parts.Load.TotalMilliseconds));
    }

    [Fact]
    public void The_parts_sum_to_the_wait_and_none_exceeds_its_own_time() =>
        Gen.Select(Gen.Long[0, 1_000], Gen.Long[0, 1_000], Gen.Long[0, 2_000], Gen.Long[-10, 1_000], Gen.Long[-10, 1_000]).Sample((arrived, wait, ready, start, load) =>
        {
            var parts = GrantTimes.Split(new(arrived), new(arrived + wait), new(ready), new(start), new(load));

            Assert.Equal(wait, (parts.Queue + parts.Start + parts.Load).Ticks);
            Assert.True(parts.Queue >= TimeSpan.Zero);
            Assert.InRange(parts.Start.Ticks, 0, Math.Max(0, start));
            Assert.InRange(parts.Load.Ticks, 0, Math.Max(0, load));
        });

    private static MonotonicTime At(int milliseconds) => new(milliseconds * TimeSpan.TicksPerMillisecond);
}
