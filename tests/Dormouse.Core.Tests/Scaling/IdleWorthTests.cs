using Dormouse.Core.Scaling;

namespace Dormouse.Core.Tests.Scaling;

public sealed class IdleWorthTests
{
    [Fact]
    public void Chance_times_start_over_memory()
    {
        var gaps = Gaps([.. Enumerable.Repeat(5.0, 9), 500]);

        Assert.Equal(10 / 12.0 * 2 / 0.5, IdleWorth.Of(gaps, TimeSpan.FromSeconds(2), 512), 1e-9);
    }

    [Fact]
    public void A_likelier_call_a_longer_start_and_less_memory_are_worth_more()
    {
        var (often, seldom) = (Gaps(Enumerable.Repeat(5.0, 20)), Gaps(Enumerable.Repeat(3_600.0, 20)));
        var (quick, slow) = (TimeSpan.FromMilliseconds(20), TimeSpan.FromSeconds(20));

        Assert.True(IdleWorth.Of(often, quick, 512) > IdleWorth.Of(seldom, quick, 512));
        Assert.True(IdleWorth.Of(seldom, slow, 512) > IdleWorth.Of(often, quick, 512));
        Assert.True(IdleWorth.Of(often, quick, 256) > IdleWorth.Of(often, quick, 512));
        Assert.Equal(1, IdleWorth.Of(Gaps([]), null, 512));
    }

    private static IdleGaps Gaps(IEnumerable<double> seconds)
    {
        var gaps = new IdleGaps();
        foreach (var gap in seconds)
        {
            gaps.Record(TimeSpan.FromSeconds(gap));
        }

        return gaps;
    }
}
