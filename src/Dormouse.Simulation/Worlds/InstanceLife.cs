using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;
using Dormouse.Simulation.Randomness;

namespace Dormouse.Simulation.Worlds;

/// <summary>Plays the driver, the launcher and the workers: instances that start, fail, crash, stop and go.</summary>
internal sealed class InstanceLife(WorldState world, Dispatch dispatch)
{
    private static readonly InstanceLoss Loss = new(InstanceLossKind.Crashed, "signal 11");
    private static readonly StartFailure Failure = new(StartFailureKind.Crash, "exit code 1");

    /// <summary>How much later than the broken connections, or earlier, the driver finds out that an instance crashed.</summary>
    private static readonly TimeSpan LossDelayMax = TimeSpan.FromMilliseconds(2);

    /// <summary>The machine admitted it.</summary>
    public void Begin(SimulatedInstance instance)
    {
        var (machine, faults) = (instance.Endpoint.Machine, world.IsLoadOver ? FaultPlan.None : world.Plan.Faults);
        ref var random = ref machine.Random;
        instance.Phase = InstancePhase.Starting;
        instance.AdmittedAt = world.Now;
        world.Totals.Starts++;
        world.Watch?.Admitted(machine.Index, instance.Id, InstanceNeed.Of(instance.Endpoint.Spec), world.Now);
        var factor = random.Happens(faults.SlowStarts) ? faults.SlowStartFactor : 1;
        instance.StartTime = machine.Plan.StartTime.Draw(ref random) * factor;
        instance.LoadTime = machine.Plan.LoadTime.Draw(ref random) * factor;
        instance.WillFail = random.Happens(faults.FailedStarts);
        if (!random.Happens(faults.LostReadiness))
        {
            world.Events.Add(world.Now + instance.StartTime + instance.LoadTime, new WorldEvent(EventKind.StartEnds, instance.Endpoint.Index, 0, instance));
        }
    }

    public void StartEnds(SimulatedInstance instance)
    {
        if (instance.Phase != InstancePhase.Starting)
        {
            return;
        }

        if (instance.WillFail)
        {
            world.Totals.FailedStarts++;
            End(instance);
            dispatch.StartEnded(instance);
            dispatch.Feed(instance.Endpoint, RevisionEvent.InstanceFailed(instance.Id, Failure));
            return;
        }

        instance.Phase = InstancePhase.Ready;
        instance.Work = InstanceWork.Of(instance.Endpoint.Spec, world.Plan.Runs);
        instance.Endpoint.NextCause = StartCause.Idle;
        if (!world.IsLoadOver && world.Plan.Faults.CrashEvery is { Ticks: > 0 } every)
        {
            world.Events.Add(world.Now + (every * instance.Endpoint.Machine.Random.Exponential()), new WorldEvent(EventKind.Crash, instance.Endpoint.Index, 0, instance));
        }

        dispatch.StartEnded(instance);
        var ready = new InstanceReady("", Rung.Pool, instance.StartTime, instance.LoadTime, "", UsedOptimised: true);
        dispatch.Feed(instance.Endpoint, RevisionEvent.InstanceReady(instance.Id, ready));
    }

    /// <summary>The engine wants it frozen.</summary>
    public void Freeze(SimulatedInstance instance, long turn)
    {
        instance.FreezerTurn = turn;
        if (instance.Phase != InstancePhase.Ready)
        {
            // It crashed, and nobody has found out.
            return;
        }

        if (!world.IsLoadOver && instance.Endpoint.Machine.Random.Happens(world.Plan.Faults.RefusedFreezes))
        {
            dispatch.Follow(instance.Endpoint, RevisionEvent.FreezeRefused(instance.Id));
            return;
        }

        world.Totals.Freezes++;
        instance.IsFrozen = true;
    }

    public void Thaw(SimulatedInstance instance, long turn)
    {
        instance.FreezerTurn = turn;
        if (instance.Phase == InstancePhase.Ready && (world.IsLoadOver || !instance.Endpoint.Machine.Random.Happens(world.Plan.Faults.LostReadiness)))
        {
            instance.ThawTime = instance.Endpoint.Machine.Plan.ThawTime.Draw(ref instance.Endpoint.Machine.Random);
            world.Events.Add(world.Now + instance.ThawTime, new WorldEvent(EventKind.ThawEnds, instance.Endpoint.Index, turn, instance));
        }
    }

    public void ThawEnds(SimulatedInstance instance, long turn)
    {
        if (instance.Phase != InstancePhase.Ready || instance.FreezerTurn != turn)
        {
            return;
        }

        instance.IsFrozen = false;
        if (!world.IsLoadOver && instance.Endpoint.Machine.Random.Happens(world.Plan.Faults.FailedThaws))
        {
            End(instance);
            dispatch.Feed(instance.Endpoint, RevisionEvent.InstanceFailed(instance.Id, Failure));
            return;
        }

        var ready = new InstanceReady("", Rung.Thaw, instance.ThawTime, TimeSpan.Zero, "", UsedOptimised: true);
        dispatch.Feed(instance.Endpoint, RevisionEvent.InstanceReady(instance.Id, ready));
    }

    /// <summary>It ends by itself. Callers and driver find out in either order.</summary>
    public void Crash(SimulatedInstance instance)
    {
        if (instance.Phase != InstancePhase.Ready || world.IsLoadOver)
        {
            return;
        }

        ref var random = ref instance.Endpoint.Machine.Random;
        var isHeardFirst = random.Happens(0.5);
        instance.Phase = InstancePhase.Crashed;
        if (isHeardFirst)
        {
            Lost(instance);
        }
        else
        {
            world.Events.Add(world.Now + (LossDelayMax * random.Unit()), new WorldEvent(EventKind.Lost, instance.Endpoint.Index, 0, instance));
        }

        dispatch.Break(instance);
        dispatch.CarryOnFollowing();
    }

    public void Lost(SimulatedInstance instance)
    {
        if (instance.Phase != InstancePhase.Crashed)
        {
            return;
        }

        End(instance);
        instance.Endpoint.NextCause = StartCause.Crash;
        dispatch.StartEnded(instance);
        dispatch.Feed(instance.Endpoint, RevisionEvent.InstanceLost(instance.Id, Loss));
    }

    /// <summary>The engine wants an end of it: it is killed, and what runs on it breaks.</summary>
    public void Stop(SimulatedInstance instance)
    {
        if (instance.Phase == InstancePhase.Ending)
        {
            return;
        }

        End(instance);
        dispatch.Break(instance);
    }

    public void Gone(SimulatedInstance instance)
    {
        world.Totals.Held(instance.AdmittedAt, world.Now, instance.Endpoint.Spec.MemoryMib);
        dispatch.Gone(instance);
        dispatch.CarryOnFollowing();
    }

    private void End(SimulatedInstance instance)
    {
        instance.Phase = InstancePhase.Ending;
        var after = instance.Endpoint.Machine.Plan.StopTime.Draw(ref instance.Endpoint.Machine.Random);
        world.Events.Add(world.Now + after, new WorldEvent(EventKind.Gone, instance.Endpoint.Index, 0, instance));
    }
}
