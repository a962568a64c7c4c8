using CsCheck;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Tests.Scaling;

public sealed class StartCountTests
{
    [Theory]
    // From zero, nothing measured: one, whatever waits.
    [InlineData(1, 0, 1, 8, 0, 0, null, null, 0, 0, 1)]
    [InlineData(500, 0, 2, 8, 0, 0, null, null, 0, 0, 1)]
    [InlineData(500, 0, 2, 8, 0, 1, null, null, 0, 0, 0)]
    // One is ready, its first runs have not ended: wait as long as a start takes.
    [InlineData(498, 2, 2, 8, 1, 0, 3.0, null, 0.5, 0, 0)]
    [InlineData(498, 2, 2, 8, 1, 0, 3.0, null, 3.0, 0, 7)]
    // The run time is known: 497 × 0.3 ms ÷ 2 slots = 75 ms, a start takes 3.
    [InlineData(497, 2, 2, 8, 1, 0, 3.0, 0.3, 0.1, 0, 7)]
    // ... and those that start already count.
    [InlineData(490, 2, 2, 8, 1, 7, 3.0, 0.3, 0.1, 3.0, 0)]
    [InlineData(490, 2, 2, 99, 1, 7, 3.0, 0.3, 0.1, 3.0, 60)]
    // The queue drains before a start would end: none.
    [InlineData(498, 2, 2, 8, 1, 0, 3.0, 0.005, 0.001, 0, 0)]
    [InlineData(3, 1, 1, 8, 1, 0, 3.0, 0.3, 0.1, 0, 0)]
    // From zero with known times: long runs want one instance for each, short ones share.
    [InlineData(3, 0, 1, 8, 0, 0, 3.0, 1_000.0, 0, 0, 3)]
    [InlineData(3, 0, 1, 8, 0, 0, 3.0, 0.3, 0, 0, 1)]
    [InlineData(500, 0, 2, 8, 0, 0, 3.0, 0.3, 0, 0, 8)]
    // Runs that last far longer than they used to are believed.
    [InlineData(2, 1, 1, 8, 1, 0, 3.0, 0.3, 5_000.0, 0, 2)]
    // Bounds.
    [InlineData(0, 5, 1, 8, 5, 0, 3.0, 10.0, 5.0, 0, 0)]
    [InlineData(9, 8, 1, 8, 8, 0, 3.0, 10.0, 5.0, 0, 0)]
    [InlineData(9, 0, 1, 0, 0, 0, 3.0, 10.0, 5.0, 0, 0)]
    public void As_many_start_as_end_before_the_queue_drains_by_itself(
        int queued, int running, int concurrency, int max, int ready, int starting, double? startMs, double? runMs, double ageMs, double leftMs, int expected)
    {
        var decision = StartCount.Decide(Demand(queued, running, concurrency, max, ready, starting, startMs, runMs, ageMs, leftMs));

        Assert.Equal(expected, decision.Count);
    }

    [Fact]
    public void It_looks_again_when_a_first_run_has_lasted_as_long_as_a_start() =>
        Assert.Equal(TimeSpan.FromMilliseconds(40), StartCount.Decide(Demand(1, 1, 1, 8, 1, 0, 50, null, 10, 0)).LookAgainAfter);

    [Fact]
    public void It_looks_again_when_the_runs_have_become_too_old_to_drain_the_queue_in_time()
    {
        // Over 1.25 × 100 ms one slot serves 125 ms of runs: the two that wait are left once a run takes more than 62.5 ms.
        var demand = Demand(2, 1, 1, 8, 1, 0, 100, 10, 12.5, 0);

        Assert.Equal(new StartDecision(0, TimeSpan.FromMilliseconds(50)), StartCount.Decide(demand));
        Assert.Equal(1, StartCount.Decide(demand with { RunningAge = TimeSpan.FromMilliseconds(63) }).Count);
    }

    [Fact]
    public void The_count_is_within_bounds_and_more_knowledge_of_slowness_never_starts_fewer() =>
        Gen.Select(Gen.Int[0, 1_000], Gen.Int[1, 16], Gen.Int[0, 20], Gen.Int[0, 5], Gen.Int[0, 5], Gen.Double[0.1, 1_000], Gen.Double[0.1, 1_000], Gen.Double[0, 2_000]).Sample(
            (queued, concurrency, max, ready, starting, startMs, runMs, ageMs) =>
            {
                var demand = Demand(queued, ready * concurrency, concurrency, max, ready, starting, startMs, runMs, ageMs, startMs / 2);

                var decision = StartCount.Decide(demand);

                var needed = (queued + (ready * concurrency) + concurrency - 1) / concurrency;
                Assert.InRange(decision.Count, 0, Math.Max(0, Math.Min(max, needed) - ready - starting));
                Assert.True(decision.LookAgainAfter is not { } after || after >= TimeSpan.FromMilliseconds(1));
                Assert.True(decision.Count <= StartCount.Decide(demand with { RunningAge = demand.RunningAge * 2 }).Count);
                Assert.True(decision.Count <= StartCount.Decide(demand with { Queued = queued + 1 }).Count);
            });

    [Fact]
    public void Somebody_always_starts_when_callers_wait_and_nothing_is_there() =>
        Gen.Select(Gen.Int[1, 1_000], Gen.Int[1, 16], Gen.Double[0, 1_000], Gen.Double[0, 1_000], Gen.Bool, Gen.Bool).Sample((queued, concurrency, startMs, runMs, knowsStart, knowsRun) =>
            Assert.True(StartCount.Decide(Demand(queued, 0, concurrency, 8, 0, 0, knowsStart ? startMs : null, knowsRun ? runMs : null, 0, 0)).Count >= 1));

    [Fact]
    public void Measured_times_are_a_mean_that_follows()
    {
        var learned = default(LearnedTimes).WithRun(TimeSpan.FromMilliseconds(8)).WithRun(TimeSpan.FromMilliseconds(4)).WithStart(TimeSpan.FromMilliseconds(3));

        Assert.Equal(new LearnedTimes(TimeSpan.FromMilliseconds(3), TimeSpan.FromMilliseconds(7)), learned);
    }

    private static StartDemand Demand(
        int queued, int running, int concurrency, int max, int ready, int starting, double? startMs, double? runMs, double ageMs, double leftMs) => new(
        queued, running, concurrency, max, ready, starting, new LearnedTimes(Span(startMs), Span(runMs)), TimeSpan.FromMilliseconds(ageMs), TimeSpan.FromMilliseconds(leftMs));

    private static TimeSpan? Span(double? milliseconds) => milliseconds is { } m ? TimeSpan.FromMilliseconds(m) : null;
}
