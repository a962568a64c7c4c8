using Dormouse.Core.Dispatch;

namespace Dormouse.Simulation.Worlds;

/// <summary>Plays machines that stand still, and machines that are lost with all that is on them and come back as new ones: servers that know nothing but what is stored.</summary>
internal sealed class MachineLife(WorldState world, Dispatch dispatch, Callers callers)
{
    public void Schedule(SimulatedMachine machine)
    {
        ScheduleJump(machine);
        ScheduleLoss(machine);
    }

    public void Jump(SimulatedMachine machine)
    {
        if (!world.IsLoadOver)
        {
            machine.FrozenUntil = world.Now + world.Plan.Faults.ClockJump.Draw(ref machine.Random);
            ScheduleJump(machine);
        }
    }

    /// <summary>Power is cut: whoever waits or runs there loses the connection, instances and everything learned are gone.</summary>
    public void Lose(SimulatedMachine machine)
    {
        if (world.IsLoadOver)
        {
            return;
        }

        machine.IsDown = true;
        world.Totals.MachineLosses++;
        callers.BreakAll(machine);
        foreach (var endpoint in world.Endpoints.Where(e => e.Machine == machine))
        {
            foreach (var instance in endpoint.Instances)
            {
                if (instance.IsClaimed)
                {
                    world.Totals.Held(instance.AdmittedAt, world.Now, endpoint.Spec.MemoryMib);
                }

                instance.Phase = InstancePhase.Void;
            }

            world.Engines -= endpoint.Engine is null ? 0 : 1;
            endpoint.Forget();
        }

        machine.Clear();
        world.Watch?.MachineLost(machine.Index, world.Now);
        world.Events.Add(world.Now + world.Plan.Faults.MachineOutage.Draw(ref machine.Random), new WorldEvent(EventKind.MachineBack, machine.Index, 0));
    }

    /// <summary>Its server starts: what is to be kept is started, all else when calls come.</summary>
    public void Return(SimulatedMachine machine)
    {
        machine.IsDown = false;
        world.Watch?.MachineBack(machine.Index, world.Now);
        foreach (var endpoint in world.Endpoints.Where(e => e.Machine == machine && (e.Spec.KeepsInstances || e.Floor.Instances > 0 || e.Standby > 0)))
        {
            dispatch.Feed(endpoint, RevisionEvent.Of(RevisionEventKind.Woken));
        }

        if (!world.IsLoadOver)
        {
            ScheduleLoss(machine);
        }
    }

    private void ScheduleJump(SimulatedMachine machine)
    {
        if (world.Plan.Faults.ClockJumpEvery is { Ticks: > 0 } every)
        {
            var from = machine.FrozenUntil > world.Now ? machine.FrozenUntil : world.Now;
            world.Events.Add(from + (every * machine.Random.Exponential()), new WorldEvent(EventKind.ClockJump, machine.Index, 0));
        }
    }

    private void ScheduleLoss(SimulatedMachine machine)
    {
        if (world.Plan.Faults.MachineLossEvery is { Ticks: > 0 } every)
        {
            world.Events.Add(world.Now + (every * machine.Random.Exponential()), new WorldEvent(EventKind.MachineLost, machine.Index, 0));
        }
    }
}
