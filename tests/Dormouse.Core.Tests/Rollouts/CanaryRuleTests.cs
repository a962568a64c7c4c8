using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;
using Dormouse.Core.Usage;

namespace Dormouse.Core.Tests.Rollouts;

public sealed class CanaryRuleTests
{
    private static readonly CanaryPolicy Policy = new(10, 100, TimeSpan.FromMinutes(30));
    private static readonly Func<Random, double> Steady = random => 2000 * Math.Exp(0.3 * Normal(random));

    /// <summary>One in twenty runs takes ten times as long.</summary>
    private static readonly Func<Random, double> TwoHumped = random => Steady(random) * (random.NextDouble() < 0.05 ? 10 : 1);

    private static readonly RevisionId Revision = new(new EndpointId(Guid.Parse("01930000-0000-7000-8000-000000000001")), 1);

    [Theory]
    [InlineData(10, 0, 0, false)]
    [InlineData(10, 0.1, 0, false)]
    [InlineData(50, 0.02, 0.3, true)]
    [InlineData(90, 0.5, 0, true)]
    public void Equal_revisions_are_rolled_back_less_often_than_stated(int percent, double failed, double rejected, bool isTwoHumped)
    {
        var times = isTwoHumped ? TwoHumped : Steady;
        var side = new Side(failed, rejected, times);

        var rolledBack = Enumerable.Range(0, 1000).Count(seed => Run(percent, side, side, seed) is CanaryDecision.RollBack);

        Assert.InRange(rolledBack, 0, (int)(1000 * CanaryRule.FalseAlarmsMax));
    }

    [Theory]
    [InlineData(0.3, 0, 1, "fails more often")]
    [InlineData(1, 0, 1, "fails more often")]
    [InlineData(0, 1, 1, "rejects more")]
    [InlineData(0, 0, 2, "slow")]
    public void A_revision_that_is_clearly_worse_is_rolled_back(double failed, double rejected, double slowness, string reason)
    {
        for (var seed = 0; seed < 200; seed++)
        {
            var decision = Run(10, new Side(failed, rejected, random => Steady(random) * slowness), new Side(0.01, 0.01, Steady), seed);

            Assert.Contains(reason, Assert.IsType<CanaryDecision.RollBack>(decision).Reason, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_revision_with_more_slow_runs_is_rolled_back_though_its_median_is_the_same()
    {
        var slowTail = new Side(0, 0, random => Steady(random) * (random.NextDouble() < 0.3 ? 20 : 1));

        for (var seed = 0; seed < 100; seed++)
        {
            Assert.IsType<CanaryDecision.RollBack>(Run(10, slowTail, new Side(0, 0, Steady), seed));
        }
    }

    [Fact]
    public void A_revision_that_is_a_tenth_slower_is_promoted()
    {
        var promoted = Enumerable.Range(0, 200)
            .Count(seed => Run(10, new Side(0, 0, random => Steady(random) * 1.1), new Side(0, 0, Steady), seed) is CanaryDecision.Promote);

        Assert.InRange(promoted, 196, 200);
    }

    [Fact]
    public void A_revision_that_always_fails_is_seen_at_the_first_look()
    {
        var decision = CanaryRule.Decide(Policy, Counts(10, Outcome.Failed), Counts(90, Outcome.Completed), 0, TimeSpan.Zero);

        Assert.Equal(new CanaryDecision.RollBack("it fails more often: 10 of 10 calls against 0 of 90"), decision);
    }

    [Fact]
    public void A_look_needs_samples_of_both_sides_and_is_taken_once()
    {
        Assert.Equal(new CanaryDecision.Continue(0), CanaryRule.Decide(Policy, Counts(9, Outcome.Completed), Counts(90, Outcome.Completed), 0, TimeSpan.Zero));
        Assert.Equal(new CanaryDecision.Continue(0), CanaryRule.Decide(Policy, Counts(90, Outcome.Completed), Counts(9, Outcome.Completed), 0, TimeSpan.Zero));
        Assert.Equal(new CanaryDecision.Continue(1), CanaryRule.Decide(Policy, Counts(10, Outcome.Completed), Counts(90, Outcome.Completed), 0, TimeSpan.Zero));
        Assert.Equal(new CanaryDecision.Continue(1), CanaryRule.Decide(Policy, Counts(15, Outcome.Failed), Counts(90, Outcome.Completed), 1, TimeSpan.Zero));
    }

    [Fact]
    public void Too_few_calls_within_the_time_limit_roll_back_and_say_so()
    {
        var decision = CanaryRule.Decide(Policy, Counts(12, Outcome.Completed), Counts(90, Outcome.Completed), 1, Policy.TimeLimit);

        Assert.Equal(
            new CanaryDecision.RollBack("too few calls to judge it within 30m: 12 of the new and 90 of the old, needed are 100 of each"), decision);
    }

    [Fact]
    public void The_last_look_waits_for_run_times_to_compare_and_no_other_is_taken_again_meanwhile()
    {
        var (newer, older) = (Counts(100, Outcome.Completed, StartKind.Cold), Counts(900, Outcome.Completed));

        Assert.True(CanaryRule.IsDue(Policy, newer, older, 3));
        Assert.Equal(new CanaryDecision.Continue(4), CanaryRule.Decide(Policy, newer, older, 3, TimeSpan.Zero));
        Assert.False(CanaryRule.IsDue(Policy, newer, older, 4));
        Add(newer, 9, Outcome.Completed, StartKind.Warm, 5000);
        Add(newer, 50, Outcome.Failed, StartKind.Warm, 0);
        Assert.Equal(new CanaryDecision.Continue(4), CanaryRule.Decide(Policy, newer, older, 4, Policy.TimeLimit - TimeSpan.FromTicks(1)));

        Add(newer, 1, Outcome.Completed, StartKind.Warm, 5000);

        Assert.True(CanaryRule.IsDue(Policy, newer, older, 4));
        Assert.StartsWith("it fails more often: 50 of 160 calls", Assert.IsType<CanaryDecision.RollBack>(CanaryRule.Decide(Policy, newer, older, 4, TimeSpan.Zero)).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_slow_revision_whose_first_hundred_runs_were_cold_is_not_promoted()
    {
        var (newer, older) = (Counts(100, Outcome.Completed, StartKind.Cold), Counts(900, Outcome.Completed));
        var looks = Assert.IsType<CanaryDecision.Continue>(CanaryRule.Decide(Policy, newer, older, 0, TimeSpan.Zero)).LooksTaken;

        Add(newer, 20, Outcome.Completed, StartKind.Warm, 3000);

        Assert.Equal(new CanaryDecision.RollBack("it is slower: median run 2.98 ms against 0.995 ms"), CanaryRule.Decide(Policy, newer, older, looks, TimeSpan.Zero));
    }

    [Theory]
    [InlineData(4000, "no worse in 100 calls: 0 % failed against 0 % of 900, median run after a cold start 3.98 ms against 3.98 ms", true)]
    [InlineData(9000, "it is slower: median run after a cold start 8.93 ms against 3.98 ms", false)]
    public void Where_warm_runs_are_few_runs_after_a_cold_start_are_compared_with_such_runs(long microseconds, string reason, bool isPromoted)
    {
        var (newer, older) = (new RevisionCounts(), Counts(880, Outcome.Completed));
        Add(newer, 5, Outcome.Completed, StartKind.Warm, 1000);
        Add(newer, 95, Outcome.Completed, StartKind.Cold, microseconds);
        Add(older, 20, Outcome.Completed, StartKind.Cold, 4000);

        var decision = CanaryRule.Decide(Policy, newer, older, 4, TimeSpan.Zero);

        Assert.Equal(isPromoted ? new CanaryDecision.Promote(reason) : new CanaryDecision.RollBack(reason), decision);
    }

    [Fact]
    public void It_says_which_run_times_it_waits_for_once_the_samples_are_there()
    {
        var (newer, older) = (Counts(99, Outcome.Completed, StartKind.Cold), Counts(900, Outcome.Completed));
        Assert.Null(CanaryRule.WaitsFor(Policy, newer, older));

        Add(newer, 1, Outcome.Completed, StartKind.Cold, 1000);
        Assert.Equal("10 warm runs of each, or as many after a cold start: 0 and 100 against 900 and 0", CanaryRule.WaitsFor(Policy, newer, older));

        Add(newer, 10, Outcome.Completed, StartKind.Warm, 1000);
        Assert.Null(CanaryRule.WaitsFor(Policy, newer, older));
    }

    [Fact]
    public void Run_times_that_cannot_be_compared_within_the_time_limit_roll_back_and_say_so()
    {
        var (newer, older) = (Counts(120, Outcome.Completed, StartKind.Cold), Counts(900, Outcome.Completed));
        Add(newer, 9, Outcome.Completed, StartKind.Warm, 1000);

        var decision = CanaryRule.Decide(Policy, newer, older, 4, Policy.TimeLimit);

        Assert.Equal(
            new CanaryDecision.RollBack("too few runs to compare their times within 30m: 9 warm and 120 after a cold start of the new, 900 and 0 of the old, needed are 10 of a kind of each; a larger share or min_instances keeps it warm"),
            decision);
    }

    [Fact]
    public void What_replaces_a_revision_that_completes_nothing_is_promoted_and_told_that_times_were_not_compared()
    {
        var (newer, older) = (Counts(100, Outcome.Completed), Counts(895, Outcome.Failed));
        Add(older, 5, Outcome.Completed, StartKind.Warm, 1000);

        Assert.Equal(new CanaryDecision.Continue(4), CanaryRule.Decide(Policy, newer, older, 4, TimeSpan.Zero));
        Assert.Equal(
            new CanaryDecision.Promote("no worse in 100 calls: 0 % failed against 99.44 % of 900; run times were not compared: 5 runs of the old completed, needed are 10"),
            CanaryRule.Decide(Policy, newer, older, 4, Policy.TimeLimit));
    }

    [Fact]
    public void Equal_revisions_of_which_the_new_one_starts_cold_more_often_are_rolled_back_less_often_than_stated()
    {
        var rolledBack = Enumerable.Range(0, 1000)
            .Count(seed => Run(10, new Side(0, 0, Steady, Cold: 0.95), new Side(0, 0, Steady, Cold: 0.3), seed) is CanaryDecision.RollBack);

        Assert.InRange(rolledBack, 0, (int)(1000 * CanaryRule.FalseAlarmsMax));
    }

    [Fact]
    public void Callers_that_left_say_nothing_of_a_revision()
    {
        Assert.Equal(0, Counts(50, Outcome.CallerLeft).Samples);
        Assert.Equal(0, Counts(50, Outcome.ServerLost).Samples);
        Assert.Equal(50, Counts(50, Outcome.WorkerCrashed).Failed);
    }

    [Fact]
    public void Cold_runs_do_not_count_as_slow()
    {
        var counts = new RevisionCounts();

        counts.Count(ReceiptOf(Outcome.Completed, 5000, StartKind.Cold));

        Assert.Equal((1, 0, 1), (counts.Samples, counts.Times.Count, counts.ColdTimes.Count));
    }

    private static CanaryDecision Run(int percent, Side newer, Side older, int seed)
    {
        var random = new Random(seed);
        var (news, olds, looks) = (new RevisionCounts(), new RevisionCounts(), 0);
        while (true)
        {
            if (random.Next(100) < percent)
            {
                newer.Call(news, random);
            }
            else
            {
                older.Call(olds, random);
            }

            var decision = CanaryRule.Decide(Policy, news, olds, looks, TimeSpan.Zero);
            if (decision is not CanaryDecision.Continue { LooksTaken: var taken })
            {
                return decision;
            }

            looks = taken;
        }
    }

    private static RevisionCounts Counts(int count, Outcome outcome, StartKind start = StartKind.Warm)
    {
        var counts = new RevisionCounts();
        Add(counts, count, outcome, start, 1000);
        return counts;
    }

    private static void Add(RevisionCounts counts, int count, Outcome outcome, StartKind start, long runMicroseconds)
    {
        for (var i = 0; i < count; i++)
        {
            counts.Count(ReceiptOf(outcome, runMicroseconds, start));
        }
    }

    private static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    private static Receipt ReceiptOf(Outcome outcome, long runMicroseconds, StartKind start) => new()
    {
        ServerId = default,
        Sequence = 1,
        Invocation = default,
        Tenant = TenantId.Default,
        Revision = Revision,
        Instance = 1,
        StartedAt = DateTimeOffset.UnixEpoch,
        Outcome = outcome,
        Status = 200,
        Start = start,
        Times = new InvocationTimes(0, 0, 0, runMicroseconds),
        MemoryMib = 512,
        MeteredMicroseconds = 0,
        BilledMilliseconds = 0,
        PricePico = 0,
    };

    /// <summary>Traffic of one revision.</summary>
    /// <param name="Cold">Share of the runs after a cold start, which take four times as long.</param>
    private sealed record Side(double Failed, double Rejected, Func<Random, double> Times, double Cold = 0)
    {
        public void Call(RevisionCounts counts, Random random)
        {
            var draw = random.NextDouble();
            var outcome = draw < Failed ? Outcome.Failed : draw < Failed + Rejected ? Outcome.Rejected : Outcome.Completed;
            var isCold = Cold > 0 && random.NextDouble() < Cold;
            counts.Count(ReceiptOf(outcome, (long)(Times(random) * (isCold ? 4 : 1)), isCold ? StartKind.Cold : StartKind.Warm));
        }
    }
}
