using CsCheck;
using Dormouse.Core.Overflow;

namespace Dormouse.Core.Tests.Overflow;

/// <summary>When an overflow address is left alone.</summary>
public sealed class OverflowHealthTests
{
    private static readonly MonotonicTime Start = new(TimeSpan.TicksPerHour);

    [Fact]
    public void Three_failures_in_a_row_open_it_for_five_seconds_and_one_probe_closes_it()
    {
        var two = OverflowHealth.Fine.Failed(Start).Failed(Start);
        var open = two.Failed(Start);

        Assert.True(two.MayTry(Start));
        Assert.False(open.MayTry(Start + TimeSpan.FromSeconds(4.9)));
        Assert.True(open.MayTry(Start + TimeSpan.FromSeconds(5)));
        var probing = open.Sent();
        Assert.False(probing.MayTry(Start + TimeSpan.FromSeconds(5)));
        Assert.True(OverflowHealth.Answered().MayTry(Start));
    }

    [Fact]
    public void Each_failed_probe_doubles_the_time_up_to_a_minute()
    {
        var health = OverflowHealth.Fine.Failed(Start).Failed(Start).Failed(Start);
        var now = Start;
        var times = new List<double>();
        for (var i = 0; i < 6; i++)
        {
            times.Add((health.Until - now).TotalSeconds);
            now = health.Until;
            health = health.Sent().Failed(now);
        }

        Assert.Equal([5, 10, 20, 40, 60, 60], times);
    }

    [Fact]
    public void A_success_between_failures_begins_to_count_anew()
    {
        var health = OverflowHealth.Fine.Failed(Start).Failed(Start);
        health = OverflowHealth.Answered().Failed(Start).Failed(Start);

        Assert.Equal((OverflowState.Closed, 2), (health.State, health.Failures));
    }

    [Fact]
    public void A_probe_whose_caller_left_is_followed_by_another()
    {
        var open = OverflowHealth.Fine.Failed(Start).Failed(Start).Failed(Start);

        var after = open.Sent().Unknown(open.Until);

        Assert.Equal(OverflowState.Open, after.State);
        Assert.True(after.MayTry(open.Until));
    }

    [Fact]
    public void Late_failures_of_what_was_sent_before_do_not_lengthen_it()
    {
        var open = OverflowHealth.Fine.Failed(Start).Failed(Start).Failed(Start);

        Assert.Equal(open, open.Failed(Start + TimeSpan.FromSeconds(3)));
    }

    [Fact]
    public void In_any_order_of_events_it_can_always_be_tried_again_within_a_minute()
    {
        Gen.Int[0, 3].Array[0, 60].Sample(events =>
        {
            var (health, now) = (OverflowHealth.Fine, Start);
            foreach (var what in events)
            {
                now += TimeSpan.FromSeconds(3);
                health = what switch
                {
                    0 => health.Failed(now),
                    1 => health.MayTry(now) ? health.Sent() : health,
                    2 => health.Unknown(now),
                    _ => health,
                };
            }

            // A probe always ends.
            var ended = health.State == OverflowState.Probing ? health.Failed(now) : health;
            Assert.True(ended.MayTry(now + OverflowHealth.OpenMost));
        });
    }
}
