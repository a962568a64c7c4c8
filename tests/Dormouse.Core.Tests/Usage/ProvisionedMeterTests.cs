using CsCheck;
using Dormouse.Core.Usage;

namespace Dormouse.Core.Tests.Usage;

public sealed class ProvisionedMeterTests
{
    [Fact]
    public void However_often_it_is_taken_no_microsecond_is_lost_or_taken_twice() =>
        Gen.Select(Gen.Long[0, 100], Gen.Int[0, 5], Gen.Bool).Array[0, 200].Sample(steps =>
        {
            var meter = default(ProvisionedMeter);
            var now = new MonotonicTime(TimeSpan.TicksPerHour);
            meter.Advance(now, 0);
            var (ticks, taken) = (0L, 0L);
            foreach (var (span, count, isTaken) in steps)
            {
                now += new TimeSpan(span);
                meter.Advance(now, count);
                ticks += span * count;
                taken += isTaken ? meter.TakeMicroseconds() : 0;
            }

            Assert.Equal(ticks / 10, taken + meter.TakeMicroseconds());
        });

    [Fact]
    public void A_time_that_goes_back_counts_as_none()
    {
        var meter = default(ProvisionedMeter);
        meter.Advance(new MonotonicTime(1_000), 1);

        meter.Advance(new MonotonicTime(500), 1);
        meter.Advance(new MonotonicTime(1_010), 1);

        Assert.Equal(101, meter.TakeMicroseconds());
    }
}
