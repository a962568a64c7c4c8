using CsCheck;
using Dormouse.Core.Usage;

namespace Dormouse.Core.Tests.Usage;

public sealed class InstanceMeterTests
{
    private static readonly Gen<(bool IsStart, int Pick, long Ticks)[]> Steps =
        Gen.Select(Gen.Bool, Gen.Int[0, 99], Gen.OneOf(Gen.Long[0, 20], Gen.Long[0, 10_000_000])).Array[1, 200];

    [Fact]
    public void One_alone_pays_its_whole_time()
    {
        var meter = new InstanceMeter();

        var start = meter.Advance(new MonotonicTime(1_000), 0);
        var end = meter.Advance(new MonotonicTime(1_000 + 12_345), 1);

        Assert.Equal(1_234, InstanceMeter.Share(start, end));
    }

    [Fact]
    public void Two_that_overlap_share_the_time_they_overlap()
    {
        var meter = new InstanceMeter();

        var first = meter.Advance(At(0), 0);
        var second = meter.Advance(At(10), 1);
        var firstEnd = meter.Advance(At(20), 2);
        var secondEnd = meter.Advance(At(40), 1);

        Assert.Equal(15_000, InstanceMeter.Share(first, firstEnd)); // 10 alone + 10 ÷ 2
        Assert.Equal(25_000, InstanceMeter.Share(second, secondEnd)); // 10 ÷ 2 + 20 alone
    }

    [Fact]
    public void Idle_time_costs_nothing()
    {
        var meter = new InstanceMeter();
        var start = meter.Advance(At(0), 0);

        Assert.Equal(start, meter.Advance(At(3_600_000), 0));
    }

    [Fact]
    public void A_clock_that_stands_still_or_steps_back_bills_nothing()
    {
        var meter = new InstanceMeter();
        var start = meter.Advance(At(10), 0);

        Assert.Equal(start, meter.Advance(At(10), 1));
        Assert.Equal(start, meter.Advance(At(5), 1));
    }

    [Fact]
    public void Shares_sum_to_at_most_the_busy_time_and_none_exceeds_its_own_run() => Steps.Sample(steps =>
    {
        var meter = new InstanceMeter();
        var now = new MonotonicTime(7);
        meter.Advance(now, 0);
        var running = new List<(MonotonicTime At, long Virtual)>();
        var (busyTicks, sum) = (0L, 0L);
        foreach (var (isStart, pick, ticks) in steps.Concat(Enumerable.Repeat((false, 0, 5L), 200)))
        {
            busyTicks += running.Count > 0 ? ticks : 0;
            now += new TimeSpan(ticks);
            var position = meter.Advance(now, running.Count);
            if (isStart)
            {
                running.Add((now, position));
            }
            else if (running.Count > 0)
            {
                var (at, start) = running[pick % running.Count];
                running.RemoveAt(pick % running.Count);
                var share = InstanceMeter.Share(start, position);
                Assert.InRange(share, 0, (now - at).Ticks / 10);
                sum += share;
            }
        }

        Assert.Empty(running);
        Assert.True(sum * 10 <= busyTicks, $"billed {sum * 10} of {busyTicks} busy ticks");
    });

    private static MonotonicTime At(long milliseconds) => new(milliseconds * TimeSpan.TicksPerMillisecond);
}
