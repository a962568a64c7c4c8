using CsCheck;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Tests.Scaling;

public sealed class ConcurrencyRuleTests
{
    private const int Max = 64;

    private static readonly ConcurrencyState Known = new(8) { Baseline = Ms(10) };

    [Fact]
    public void Nothing_is_decided_before_half_the_limit_was_measured()
    {
        var probing = Next(new ConcurrencyState(8), Full(8, 10));

        Assert.Equal((8, true, 4), (probing.Limit, probing.IsProbing, probing.Slots));
    }

    [Fact]
    public void While_runs_are_no_slower_there_is_room_for_more() => Assert.Equal(9, Next(Known, Full(8, 11)).Limit);

    [Fact]
    public void A_large_limit_grows_by_an_eighth() => Assert.Equal(36, Next(Known with { Limit = 32 }, Full(32, 10)).Limit);

    [Fact]
    public void Between_room_and_tolerance_it_stays() => Assert.Equal((8, false), (Next(Known, Full(8, 12)).Limit, Next(Known, Full(8, 12)).IsProbing));

    [Fact]
    public void Slower_runs_are_compared_with_half_the_limit_before_anything_is_lowered()
    {
        var probing = Next(Known, Full(8, 20));
        Assert.Equal((8, 4, true), (probing.Limit, probing.Slots, probing.IsProbing));

        var cut = Next(probing, Full(4, 10));
        Assert.Equal((4, 4, false, true), (cut.Limit, cut.Slots, cut.IsProbing, cut.MustProbe));
    }

    [Fact]
    public void A_server_that_got_slower_for_other_reasons_keeps_its_limit()
    {
        var after = Next(Next(Known, Full(8, 20)), Full(4, 20));

        Assert.Equal((8, false, Ms(20)), (after.Limit, after.IsProbing, after.Baseline));
    }

    [Fact]
    public void After_a_cut_it_is_compared_again_and_then_held_for_a_while()
    {
        var state = Next(Next(Next(Next(Known, Full(8, 20)), Full(4, 10)), Full(4, 10)), Full(2, 10));
        Assert.Equal((4, false), (state.Limit, state.MustProbe));

        for (var window = 0; window < 8; window++)
        {
            state = Next(state, Full(4, 10));
            Assert.Equal(4, state.Limit);
        }

        Assert.Equal(5, Next(state, Full(4, 10)).Limit);
    }

    [Fact]
    public void What_is_not_in_use_is_not_judged_and_low_load_is_the_best_baseline()
    {
        var unused = Next(Known, new ConcurrencyWindow(Ms(50), 5));
        var low = Next(Known, new ConcurrencyWindow(Ms(7), 2));

        Assert.Equal(Known, unused);
        Assert.Equal((8, Ms(7)), (low.Limit, low.Baseline));
    }

    [Fact]
    public void A_time_out_halves_it_but_never_below_one()
    {
        var window = new ConcurrencyWindow(TimeSpan.Zero, 0, HasTimedOut: true);

        Assert.Equal((4, true), (Next(Known, window).Limit, Next(Known, window).MustProbe));
        Assert.Equal(1, Next(new ConcurrencyState(1), window).Limit);
    }

    [Fact]
    public void Alone_it_is_its_own_baseline_and_tries_two()
    {
        Assert.Equal((2, Ms(30)), (Next(new ConcurrencyState(1), Full(1, 30)).Limit, Next(new ConcurrencyState(1), Full(1, 30)).Baseline));
        Assert.Equal(1, ConcurrencyRule.Next(new ConcurrencyState(1), Full(1, 30), 1).Limit);
    }

    [Fact]
    public void It_never_leaves_its_bounds()
    {
        Gen.Select(Gen.Int[1, 20], Gen.Select(Gen.Long[0, 1_000_000], Gen.Double[0, 40], Gen.Bool).Array[0, 200]).Sample((max, windows) =>
        {
            var state = new ConcurrencyState(1);
            foreach (var (ticks, running, hasTimedOut) in windows)
            {
                state = ConcurrencyRule.Next(state, new ConcurrencyWindow(new TimeSpan(ticks), running, hasTimedOut && ticks % 5 == 0), max);
                Assert.InRange(state.Limit, 1, max);
                Assert.InRange(state.Slots, 1, state.Limit);
            }
        });
    }

    private static ConcurrencyState Next(in ConcurrencyState state, in ConcurrencyWindow window) => ConcurrencyRule.Next(state, window, Max);

    private static ConcurrencyWindow Full(int running, double ms) => new(Ms(ms), running);

    private static TimeSpan Ms(double ms) => TimeSpan.FromMilliseconds(ms);
}
