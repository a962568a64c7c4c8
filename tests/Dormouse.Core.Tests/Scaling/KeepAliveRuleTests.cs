using CsCheck;
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
        // A third is longer than what a start is worth; after 9 s without a call it is one of those.
        var plan = Plan([.. Enumerable.Repeat(9.0, 200), .. Enumerable.Repeat(5_000.0, 100)]);

        Assert.Null(plan.StartAgainAfter);
        Assert.Equal(9.514, plan.Keep.TotalSeconds, 0.01);
        Assert.Equal(plan.Keep, plan.Until);
        Assert.Equal("67 % of 300 gaps are shorter", plan.Why);
    }

    [Fact]
    public void A_timer_of_ten_minutes_is_expected_instead_of_waited_for()
    {
        // The bin of 600 s is from 558 s to 609 s.
        var plan = Plan(Enumerable.Repeat(600.0, 20), startTime: TimeSpan.FromSeconds(1));

        // Twenty of a kind do not make certain that none is short: kept for some seconds.
        Assert.Equal(8.7, plan.Keep.TotalSeconds, 0.1);
        Assert.Equal(529.4, plan.StartAgainAfter!.Value.TotalSeconds, 0.1);
        Assert.Equal(608.9, plan.Until.TotalSeconds, 0.1);
        Assert.Equal("100 % of 20 gaps are from 9.31 min to 10.1 min", plan.Why);
    }

    [Fact]
    public void A_start_that_takes_as_long_as_the_pause_is_not_made() =>
        Assert.Null(Plan(Enumerable.Repeat(600.0, 20), startTime: Minute).StartAgainAfter);

    [Fact]
    public void A_gap_too_long_for_its_worth_is_let_go()
    {
        var plan = Plan([.. Enumerable.Repeat(9.0, 190), .. Enumerable.Repeat(3_000.0, 10)]);

        Assert.InRange(plan.Until.TotalSeconds, 9, 14);
        Assert.Equal("95 % of 200 gaps are shorter", plan.Why);
    }

    [Fact]
    public void Gaps_that_seldom_end_within_the_worth_of_a_start_are_not_waited_for()
    {
        // One an hour on average, at any time: nothing says when the next comes.
        var plan = Plan(Exponential(3_600, 400));

        Assert.Equal((TimeSpan.FromSeconds(2), (TimeSpan?)null), (plan.Keep, plan.StartAgainAfter));
        Assert.Matches("^only [0-9] % of 400 gaps are shorter than 120 s$", plan.Why);
    }

    [Fact]
    public void Short_and_long_gaps_make_two_stretches()
    {
        var plan = Plan([.. Enumerable.Repeat(5.0, 50), .. Enumerable.Repeat(900.0, 50)]);

        Assert.InRange(plan.Keep.TotalSeconds, 5, 6);
        Assert.InRange(plan.StartAgainAfter!.Value.TotalSeconds, 750, 850);
        Assert.InRange(plan.Until.TotalSeconds, 900, 1_000);
        Assert.StartsWith("50 % of 100 gaps are from ", plan.Why, StringComparison.Ordinal);
    }

    [Fact]
    public void Gaps_as_one_expects_them_before_any_was_seen_show_no_pattern()
    {
        // Longer than t seconds with chance 1 ÷ √t.
        var plan = Plan(Enumerable.Range(0, 200).Select(i => Math.Pow(200 / (i + 0.5), 2)));

        Assert.Equal(KeepAlivePlan.Fixed(Minute, "200 gaps show no pattern that would save memory or starts"), plan);
    }

    [Fact]
    public void A_gap_longer_than_all_before_lengthens_the_keep_alive_for_those_that_follow()
    {
        // A load whose gaps grow: what was never seen is not impossible.
        var before = Plan(Enumerable.Repeat(5.0, 40));
        var after = Plan([.. Enumerable.Repeat(5.0, 40), 62, 64, 66, 68, 70, 72, 74, 76]);

        Assert.InRange(before.Keep.TotalSeconds, 5, 60);
        Assert.InRange(after.Until.TotalSeconds, 76, 130);
    }

    /// <summary>Two idle time-outs a cold start: the plan is never dearer than the fixed time or than any other plan, on the gaps it was learned from.</summary>
    [Fact]
    public void On_what_was_seen_no_single_time_is_much_cheaper() =>
        Gen.Double[1, 5_000].Array[30, 300].Sample(seconds =>
        {
            var plan = Plan(seconds);
            var cost = Cost(plan, seconds);

            Assert.All([2, 10, 60, 120, 600, 5_000], keep =>
                Assert.True(cost <= (1.1 * Cost(KeepAlivePlan.Fixed(TimeSpan.FromSeconds(keep)), seconds)) + (12 * seconds.Length), $"{plan} costs {cost}, {keep} s less"));
        });

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

        Record(gaps, Enumerable.Range(0, 5_000).Select(i => i % 3 == 0 ? 5_000.0 : 5));

        Assert.InRange(KeepAliveRule.Plan(gaps, Minute, null).Until.TotalSeconds, 5, 6);
        Assert.InRange(gaps.Count, 1, 511);
    }

    private static KeepAlivePlan Plan(IEnumerable<double> seconds, TimeSpan? startTime = null)
    {
        var gaps = new IdleGaps();
        Record(gaps, seconds);
        return KeepAliveRule.Plan(gaps, Minute, startTime);
    }

    /// <summary>Seconds of idling and, at two minutes each, cold starts.</summary>
    private static double Cost(KeepAlivePlan plan, IEnumerable<double> seconds) => seconds.Sum(gap =>
    {
        var (keep, again, until) = (plan.Keep.TotalSeconds, plan.StartAgainAfter?.TotalSeconds ?? double.MaxValue, plan.Until.TotalSeconds);
        var idle = Math.Min(gap, keep) + Math.Max(0, Math.Min(gap, until) - again);
        return idle + (gap <= keep || (gap > again && gap <= until) ? 0 : 120);
    });

    private static IEnumerable<double> Exponential(double mean, int count) => Enumerable.Range(0, count).Select(i => 1 - (mean * Math.Log((i + 0.5) / count)));

    private static void Record(IdleGaps gaps, IEnumerable<double> seconds)
    {
        foreach (var gap in seconds)
        {
            gaps.Record(TimeSpan.FromSeconds(gap));
        }
    }
}
