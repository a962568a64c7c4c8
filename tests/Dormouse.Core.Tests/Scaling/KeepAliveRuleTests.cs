using Dormouse.Core.Scaling;

namespace Dormouse.Core.Tests.Scaling;

public sealed class KeepAliveRuleTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public void Nine_gaps_are_too_few()
    {
        Assert.Equal(KeepAlivePlan.Fixed(Minute, "too few samples to learn from"), Plan(Enumerable.Repeat(300.0, 9)));
        Assert.NotEqual("too few samples to learn from", Plan(Enumerable.Repeat(300.0, 10)).Why);
    }

    [Fact]
    public void Gaps_of_less_than_a_second_are_work_and_do_not_count()
    {
        var gaps = new IdleGaps();

        Assert.False(gaps.Record(TimeSpan.FromMilliseconds(999)));
        Assert.True(gaps.Record(TimeSpan.FromSeconds(1)));

        Assert.Equal(1, gaps.Count);
    }

    [Fact]
    public void Short_gaps_are_kept_through()
    {
        // All in the bin from 8 s to 9.5 s: its end and a tenth.
        var plan = Plan(Enumerable.Repeat(9.0, 20));

        Assert.Null(plan.StartAgainAfter);
        Assert.Equal(10.46, plan.Keep.TotalSeconds, 0.01);
        Assert.Equal(plan.Keep, plan.Until);
        Assert.Equal("99 % of 20 gaps are shorter", plan.Why);
    }

    [Fact]
    public void A_timer_of_ten_minutes_is_expected_instead_of_waited_for()
    {
        // The bin of 600 s is from 512 s to 609 s.
        var plan = Plan(Enumerable.Repeat(600.0, 20), startTime: TimeSpan.FromSeconds(1));

        Assert.Equal(TimeSpan.FromSeconds(2), plan.Keep);
        Assert.Equal(459.8, plan.StartAgainAfter!.Value.TotalSeconds, 0.01);
        Assert.Equal(669.8, plan.Until.TotalSeconds, 0.1);
        Assert.Equal("95 % of 20 gaps are 8.53 min or longer", plan.Why);
    }

    [Fact]
    public void A_start_that_takes_as_long_as_the_pause_is_not_made() =>
        Assert.Null(Plan(Enumerable.Repeat(600.0, 20), startTime: Minute).StartAgainAfter);

    [Fact]
    public void One_gap_in_a_hundred_is_let_go()
    {
        var most = Plan([.. Enumerable.Repeat(9.0, 199), 3_000]);
        var some = Plan([.. Enumerable.Repeat(9.0, 190), .. Enumerable.Repeat(3_000.0, 10)]);

        Assert.InRange(most.Until.TotalSeconds, 10, 11);
        Assert.InRange(some.Until.TotalSeconds, 3_000, 4_000);
    }

    [Fact]
    public void Gaps_of_every_length_show_no_pattern()
    {
        var plan = Plan(Enumerable.Range(0, 224).Select(i => Math.Pow(2, i % 56 / 4.0) * 1.01));

        Assert.Equal(KeepAlivePlan.Fixed(Minute, "224 gaps show no pattern"), plan);
    }

    [Fact]
    public void Gaps_beyond_four_hours_are_not_waited_for()
    {
        var plan = Plan(Enumerable.Repeat(20_000.0, 20));

        Assert.Equal((Minute, "most of 20 gaps are longer than 4.55 h"), (plan.Keep, plan.Why));
    }

    [Fact]
    public void What_was_learned_long_ago_fades()
    {
        var gaps = new IdleGaps();
        Record(gaps, Enumerable.Repeat(600.0, 400));
        Assert.InRange(KeepAliveRule.Plan(gaps, Minute, null).Until.TotalSeconds, 600, 700);

        Record(gaps, Enumerable.Repeat(5.0, 5_000));

        Assert.InRange(KeepAliveRule.Plan(gaps, Minute, null).Until.TotalSeconds, 5, 7);
        Assert.InRange(gaps.Count, 1, 511);
    }

    private static KeepAlivePlan Plan(IEnumerable<double> seconds, TimeSpan? startTime = null)
    {
        var gaps = new IdleGaps();
        Record(gaps, seconds);
        return KeepAliveRule.Plan(gaps, Minute, startTime);
    }

    private static void Record(IdleGaps gaps, IEnumerable<double> seconds)
    {
        foreach (var gap in seconds)
        {
            gaps.Record(TimeSpan.FromSeconds(gap));
        }
    }
}
