using Dormouse.Core;
using Dormouse.Core.Dispatch;
using Dormouse.Simulation.Worlds;
using static Dormouse.Simulation.Tests.Worlds.TestWorlds;

namespace Dormouse.Simulation.Tests.Worlds;

public sealed class SharedRunTests
{
    [Fact]
    public void Those_that_wait_for_a_run_share_the_next_one()
    {
        // The first runs from 1.03 to 1.13, and the other four then share one of 100 × (1 + 0.25 × 3) ms.
        var totals = Run(Plan(10, Spec with { BatchMax = 5 }, 1, 1.05, 1.05, 1.05, 1.05));

        Assert.Equal(5, totals.Answered);
        Assert.Equal(TimeSpan.FromMilliseconds(255), totals.Latency.Max);
        Assert.InRange(totals.MeteredMicroseconds, 274_990, 275_000);
    }

    [Fact]
    public void One_alone_waits_for_others_as_long_as_the_batch_delay()
    {
        var totals = Run(Plan(10, Spec with { BatchMax = 4, BatchDelay = TimeSpan.FromMilliseconds(20) }, 1));

        Assert.Equal(TimeSpan.FromMilliseconds(150), totals.Latency.Max);
    }

    [Fact]
    public void A_full_batch_does_not_wait()
    {
        var totals = Run(Plan(10, Spec with { BatchMax = 2, BatchDelay = TimeSpan.FromMilliseconds(50) }, 1, 1));

        Assert.Equal(TimeSpan.FromMilliseconds(155), totals.Latency.Max);
    }

    [Fact]
    public void The_wait_for_a_run_counts_for_the_time_out()
    {
        // Two share a run from 1.031 to 1.156; the third was handed over at 1.04, has until 1.19 and would need until 1.256.
        var spec = Spec with { BatchMax = 3, BatchDelay = TimeSpan.FromMilliseconds(1), Timeout = TimeSpan.FromMilliseconds(150) };
        var totals = Run(Plan(10, spec, 1, 1, 1.04));

        Assert.Equal((2, 1), (totals.Answered, totals.TimedOut));
    }

    [Fact]
    public void Beyond_the_knee_runs_share_what_there_is()
    {
        var spec = Spec with { Concurrency = 4 };
        WorldPlan With(int knee) => Plan(10, spec, 1, 1, 1, 1) with { Runs = new RunPlan { Knee = knee } };

        Assert.Equal(TimeSpan.FromMilliseconds(130), Run(With(4)).Latency.Max);
        Assert.Equal(TimeSpan.FromMilliseconds(230), Run(With(2)).Latency.Max);
        Assert.Equal(TimeSpan.FromMilliseconds(430), Run(With(1)).Latency.Max);
    }

    [Fact]
    public void Who_is_left_goes_on_at_full_pace()
    {
        // Alone from 1.03; both from 1.08 at half the pace; the short one needs 50 and ends at 1.18, when the long one has done 100 of its 200.
        var plan = Plan(10, Spec with { Concurrency = 2 }, [(1, 200), (1.08, 50)]) with { Runs = new RunPlan { Knee = 1 } };

        var totals = Run(plan);

        Assert.Equal(TimeSpan.FromMilliseconds(280), totals.Latency.Max);
        Assert.InRange(totals.MeteredMicroseconds, 249_990, 250_000);
    }

    [Fact]
    public void Concurrency_that_is_to_be_found_is_found_near_the_knee()
    {
        var spec = Spec with { IsConcurrencyAuto = true, Concurrency = 64, Cpu = 1, QueueLimit = 20 };
        var slots = new SlotsWatch(from: At(40));
        var plan = Plan(60, spec, Enumerable.Range(1, 60_000).Select(i => (i * 0.001, 10.0))) with { Runs = new RunPlan { Knee = 4 } };

        new World(plan, slots).Run(null, TestContext.Current.CancellationToken);

        // Half of it while it probes.
        Assert.InRange(slots.Most, 4, 7);
        Assert.InRange(slots.Mean, 3, 6.5);
    }

    private sealed class SlotsWatch(MonotonicTime from) : WorldWatch
    {
        private long _sum;
        private long _count;

        public int Most { get; private set; }

        public double Mean => (double)_sum / _count;

        public override void Applied(int endpoint, in RevisionEvent @event, MonotonicTime now, RevisionEffects effects)
        {
            if (now >= from)
            {
                Most = Math.Max(Most, effects.SlotsPerInstance);
                _sum += effects.SlotsPerInstance;
                _count++;
            }
        }
    }
}
