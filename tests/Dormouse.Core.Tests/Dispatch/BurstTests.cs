using Dormouse.Core.Dispatch;

namespace Dormouse.Core.Tests.Dispatch;

/// <summary>A burst of 500 from zero on 2 slots an instance, at most 8 instances; starts take 3 ms.</summary>
public sealed class BurstTests
{
    [Theory]
    [InlineData(0.005, 1)] // 500 runs take 1.25 ms on one instance: a second one would come too late.
    [InlineData(0.3, 8)]
    [InlineData(1_000, 8)]
    public void A_burst_never_starts_a_herd_and_everybody_is_answered(double runMs, int instancesMost)
    {
        var (started, answered, firstWave) = Play(new EngineHarness(EngineHarness.Spec with { Concurrency = 2, MaxInstances = 8 }), 500, runMs);

        Assert.Equal((1, instancesMost, 500), (firstWave, started, answered));
    }

    [Fact]
    public void A_small_burst_of_short_runs_needs_one_instance() =>
        Assert.Equal(1, Play(new EngineHarness(EngineHarness.Spec with { MaxInstances = 8 }), 10, 0.3).Started);

    /// <summary>Runs the burst to its end in time order. Returns instances started in all, callers answered, and instances started before anything was known.</summary>
    private static (int Started, int Answered, int FirstWave) Play(EngineHarness world, int callers, double runMs)
    {
        var events = new PriorityQueue<RevisionEvent, MonotonicTime>();
        var (started, answered) = (0, 0);
        void Follow(RevisionEffects effects)
        {
            started += effects.Starts.Count;
            answered += effects.Metered.Count;
            Assert.Empty(effects.Refusals);
            foreach (var start in effects.Starts)
            {
                events.Enqueue(RevisionEvent.InstanceReady(start.Instance, EngineHarness.MakeReady(start.Instance, 2, 1)), world.Now + TimeSpan.FromMilliseconds(3));
            }

            foreach (var grant in effects.Grants)
            {
                events.Enqueue(RevisionEvent.Ended(grant.Lease, SlotEnd.Completed), world.Now + TimeSpan.FromMilliseconds(runMs));
            }
        }

        for (var i = 0; i < callers; i++)
        {
            world.Arrive(deadlineMs: 10_000_000);
            Follow(world.Effects);
        }

        var firstWave = started;
        while (answered < callers)
        {
            Assert.True(events.TryPeek(out var next, out var at));
            if (world.Effects.WakeAt < at)
            {
                world.After((world.Effects.WakeAt - world.Now).TotalMilliseconds);
                Follow(world.Wake());
                continue;
            }

            events.Dequeue();
            world.After((at - world.Now).TotalMilliseconds);
            Follow(world.Apply(next));
        }

        return (started, answered, firstWave);
    }
}
