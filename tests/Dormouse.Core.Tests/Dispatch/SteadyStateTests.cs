using Dormouse.Core.Dispatch;

namespace Dormouse.Core.Tests.Dispatch;

public sealed class SteadyStateTests
{
    [Fact]
    public void Arrivals_grants_and_ends_allocate_nothing_in_steady_state()
    {
        var world = new EngineHarness(EngineHarness.Spec with { Concurrency = 2, MaxInstances = 1 });
        world.WarmUp();
        var engine = world.Engine;
        var effects = new RevisionEffects();
        var now = world.Now;
        var ticket = 1_000L;
        var leases = new SlotLease[3];

        // Two run and one waits, again and again: the free slot, the queue and the hand-over are all on the way.
        void Round()
        {
            for (var i = 0; i < leases.Length; i++)
            {
                effects.Clear();
                engine.Apply(RevisionEvent.Arrived(++ticket, now + TimeSpan.FromSeconds(60), 100), now, effects);
                leases[i] = effects.Grants.Count > 0 ? effects.Grants[0].Lease : default;
            }

            for (var i = 0; i < leases.Length; i++)
            {
                now += TimeSpan.FromMilliseconds(1);
                effects.Clear();
                engine.Apply(RevisionEvent.Ended(leases[i], SlotEnd.Completed), now, effects);
                leases[2] = effects.Grants.Count > 0 ? effects.Grants[0].Lease : leases[2];
            }
        }

        for (var i = 0; i < 1_000; i++)
        {
            Round();
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10_000; i++)
        {
            Round();
        }

        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.Equal(0, allocated);
        Assert.Equal((0, 0), (engine.Sample(now).Running, engine.Sample(now).Queued));
    }
}
