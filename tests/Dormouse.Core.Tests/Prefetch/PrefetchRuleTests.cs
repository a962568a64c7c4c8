using Dormouse.Core.Prefetch;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Tests.Prefetch;

public sealed class PrefetchRuleTests
{
    private const long Gib = 1L << 30;

    [Fact]
    public void Of_a_timer_the_files_are_read_one_bin_before_its_call()
    {
        var plan = PrefetchRule.Plan(Gaps(20, 600), TimeSpan.FromSeconds(11));

        Assert.NotNull(plan);
        Assert.Equal(512, plan.After.TotalSeconds, 1);
        Assert.Equal("a call that has not come after 8.53 min comes within 10.1 min with a chance of 98 %, from 20 gaps", plan.Why);
    }

    [Fact]
    public void Nothing_is_read_while_too_few_gaps_are_known() => Assert.Null(PrefetchRule.Plan(Gaps(KeepAliveRule.SamplesMin - 1, 600), TimeSpan.Zero));

    [Fact]
    public void Gaps_without_any_pattern_are_no_reason_to_read()
    {
        // As many gaps in each bin as the prior has: longer than t with chance 1 ÷ √t.
        var gaps = new IdleGaps();
        for (var i = 1; i <= 400; i++)
        {
            var gap = Math.Pow(i / 400.5, -2);
            gaps.Record(TimeSpan.FromSeconds(gap));
        }

        var plan = PrefetchRule.Plan(gaps, TimeSpan.FromSeconds(60));

        // In the last bins hardly a gap is left, and what is left is not known to be longer.
        Assert.True(plan is null || plan.After > TimeSpan.FromHours(1), plan?.Why);
    }

    [Fact]
    public void What_is_likely_while_an_instance_is_kept_anyway_is_not_read_for()
    {
        var gaps = Gaps(20, 30);
        gaps.Record(TimeSpan.FromHours(1));

        Assert.Equal(26.9, PrefetchRule.Plan(gaps, TimeSpan.Zero)!.After.TotalSeconds, 0.1);
        Assert.False(PrefetchRule.Plan(gaps, TimeSpan.FromMinutes(1)) is { After.TotalMinutes: < 30 });
    }

    [Theory]
    [InlineData(Gib, 8, 10, Gib)]
    [InlineData(8 * Gib, 5, 10, 2 * Gib)]
    [InlineData(Gib, 1, 10, 0)]
    [InlineData(Gib, 0, 10, 0)]
    [InlineData(0, 8, 10, 0)]
    public void What_may_be_read_is_bounded_by_the_setting_and_by_half_of_what_is_available_beyond_a_tenth(long bytesMax, long available, long total, long allowed) =>
        Assert.Equal(allowed, PrefetchRule.Allowed(bytesMax, available * Gib, total * Gib));

    private static IdleGaps Gaps(int count, double seconds)
    {
        var gaps = new IdleGaps();
        for (var i = 0; i < count; i++)
        {
            gaps.Record(TimeSpan.FromSeconds(seconds));
        }

        return gaps;
    }
}
