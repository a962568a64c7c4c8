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

        Assert.Equal((1, 0), (counts.Samples, counts.Times.Count));
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

    private static RevisionCounts Counts(int count, Outcome outcome)
    {
        var counts = new RevisionCounts();
        for (var i = 0; i < count; i++)
        {
            counts.Count(ReceiptOf(outcome, 1000, StartKind.Warm));
        }

        return counts;
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
    private sealed record Side(double Failed, double Rejected, Func<Random, double> Times)
    {
        public void Call(RevisionCounts counts, Random random)
        {
            var draw = random.NextDouble();
            var outcome = draw < Failed ? Outcome.Failed : draw < Failed + Rejected ? Outcome.Rejected : Outcome.Completed;
            counts.Count(ReceiptOf(outcome, (long)Times(random), StartKind.Warm));
        }
    }
}
