using Dormouse.Core;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;
using Dormouse.Core.Scaling;

namespace Dormouse.Simulation.Worlds;

/// <summary>
/// Drives engines and arbiters as the server's RevisionDriver, MachineBudget and DispatchService do, without their locks: what an engine or an arbiter wants is carried out
/// at once, and events that follow from it wait in line until the engine that is at work has finished. It decides nothing.
/// </summary>
internal sealed class Dispatch(WorldState world)
{
    private readonly RevisionEffects _effects = new();
    private readonly ArbiterEffects _wanted = new();
    private readonly List<SimulatedInstance> _requested = [];
    private readonly Queue<(SimulatedEndpoint Endpoint, RevisionEvent Event)> _following = new();

    private InstanceLife _instances = null!; // Set by Connect before anything happens.
    private Callers _callers = null!; // As above.

    /// <summary>Makes the parts known that are made after it.</summary>
    public void Connect(InstanceLife instances, Callers callers) => (_instances, _callers) = (instances, callers);

    /// <summary>Feeds one event and all that follow from it.</summary>
    public void Feed(SimulatedEndpoint endpoint, in RevisionEvent @event)
    {
        Apply(endpoint, @event);
        CarryOnFollowing();
    }

    /// <summary>Feeds an event after those that wait in line.</summary>
    public void Follow(SimulatedEndpoint endpoint, in RevisionEvent @event) => _following.Enqueue((endpoint, @event));

    /// <summary>Feeds what waits in line.</summary>
    public void CarryOnFollowing()
    {
        while (_following.TryDequeue(out var next))
        {
            Apply(next.Endpoint, next.Event);
        }
    }

    /// <summary>The connections to an instance break.</summary>
    public void Break(SimulatedInstance instance) => _callers.Break(instance);

    public void Wake(SimulatedEndpoint endpoint, MonotonicTime wish)
    {
        if (wish != endpoint.WakeScheduled)
        {
            // An earlier wish took its place.
            return;
        }

        endpoint.WakeScheduled = MonotonicTime.Never;
        if (endpoint.Engine is null)
        {
            return;
        }

        if (endpoint.WakeAt <= world.Now)
        {
            Feed(endpoint, RevisionEvent.Of(RevisionEventKind.Woken));
        }
        else
        {
            Schedule(endpoint);
        }
    }

    /// <summary>A schedule asks for another number; without an engine nothing is there to stop, and one is made only for what is to start.</summary>
    public void ChangeFloor(SimulatedEndpoint endpoint, int instances)
    {
        endpoint.Floor = new InstanceFloor(instances, "from now on");
        if (endpoint.Machine.IsDown)
        {
            // Its next server asks for it.
            return;
        }

        Feed(endpoint, endpoint.Engine is null && instances > 0 ? RevisionEvent.Of(RevisionEventKind.Woken) : RevisionEvent.FloorChanged(endpoint.Floor));
    }

    /// <summary>The traffic goes, and a handover keeps so many instances, or it comes back (null).</summary>
    public void ShiftTraffic(SimulatedEndpoint endpoint, int? standby)
    {
        endpoint.Standby = standby;
        if (endpoint.Machine.IsDown)
        {
            // Its next server knows it.
            return;
        }

        Feed(endpoint, endpoint.Engine is null ? RevisionEvent.Of(RevisionEventKind.Woken) : Shift(standby));
    }

    /// <summary>Its start ended, well or not, or it was lost.</summary>
    public void StartEnded(SimulatedInstance instance)
    {
        world.Watch?.StartEnded(instance.Endpoint.Machine.Index, instance.Id);
        instance.Endpoint.Machine.Arbiter.StartEnded(instance.Id, world.Now, _wanted);
        CarryOutWanted(instance.Endpoint.Machine);
    }

    /// <summary>Nothing of it is left, or it was never admitted.</summary>
    public void Gone(SimulatedInstance instance)
    {
        var endpoint = instance.Endpoint;
        endpoint.Remove(instance);
        world.Watch?.Gone(endpoint.Machine.Index, instance.Id, world.Now);
        endpoint.Machine.Arbiter.Released(instance.Id, world.Now, _wanted);
        Follow(endpoint, RevisionEvent.InstanceGone(instance.Id));
        CarryOutWanted(endpoint.Machine);
    }

    private static RevisionEvent Shift(int? standby) => standby is { } instances
        ? RevisionEvent.Drain(DrainReason.NoTraffic, new Standby(instances, IsNext: true))
        : RevisionEvent.Of(RevisionEventKind.Resume);

    private void Apply(SimulatedEndpoint endpoint, in RevisionEvent @event)
    {
        var hadEngine = endpoint.Engine is not null;
        if (!hadEngine && @event.Kind is not (RevisionEventKind.Arrived or RevisionEventKind.Woken or RevisionEventKind.Begin))
        {
            return;
        }

        var engine = endpoint.OpenEngine();
        if (!hadEngine)
        {
            world.Engines++;
            world.Totals.EnginesMax = Math.Max(world.Totals.EnginesMax, world.Engines);
            if (endpoint.Standby is { } standby)
            {
                // One that is made now does not know that its revision has no traffic.
                Carry(endpoint, engine, Shift(standby));
            }
        }

        Carry(endpoint, engine, @event);
        endpoint.DropEngineWhenEmpty();
        world.Engines -= endpoint.Engine is null ? 1 : 0;
    }

    private void Carry(SimulatedEndpoint endpoint, RevisionEngine engine, in RevisionEvent @event)
    {
        _effects.Clear();
        engine.Apply(@event, world.Now, _effects);
        world.Distort?.Invoke(endpoint.Index, @event, _effects);
        world.Watch?.Applied(endpoint.Index, @event, world.Now, _effects);
        endpoint.WakeAt = _effects.WakeAt;
        Meter(endpoint, @event);
        Answer(endpoint);
        Stop(endpoint);
        Freeze(endpoint);
        Offer(endpoint.Machine);
        Request(endpoint);
        CarryOutWanted(endpoint.Machine);
        Schedule(endpoint);
    }

    /// <summary>An attempt that broke is not billed: its receipt is that of the attempt that follows.</summary>
    private void Meter(SimulatedEndpoint endpoint, in RevisionEvent @event)
    {
        world.Totals.Provisioned(world.Plan.Prices, _effects.ProvisionedMicroseconds, endpoint.Spec.MemoryMib);
        foreach (var run in _effects.Metered)
        {
            world.Totals.Metered(run.MeteredMicroseconds);
            if (@event.End != SlotEnd.Broken)
            {
                world.Totals.Billed(world.Plan.Prices, run.MeteredMicroseconds, endpoint.Spec.MemoryMib, run.Lease.IsProvisioned);
            }
        }
    }

    private void Answer(SimulatedEndpoint endpoint)
    {
        foreach (ref readonly var grant in System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_effects.Grants))
        {
            _callers.Granted(endpoint, grant);
        }

        foreach (var refusal in _effects.Refusals)
        {
            _callers.Refused(endpoint, refusal);
        }
    }

    private void Stop(SimulatedEndpoint endpoint)
    {
        foreach (var stop in _effects.Stops)
        {
            if (endpoint.Find(stop.Instance) is { } instance)
            {
                world.Totals.Stopped(stop.Reason);
                endpoint.NextCause = CauseAfter(stop.Reason);
                if (instance.Phase == InstancePhase.Requested)
                {
                    Gone(instance);
                }
                else
                {
                    _instances.Stop(instance);
                }
            }
        }
    }

    private void Freeze(SimulatedEndpoint endpoint)
    {
        foreach (var (id, turn) in _effects.Freezes)
        {
            if (endpoint.Find(id) is { } instance)
            {
                _instances.Freeze(instance, turn);
            }
        }

        foreach (var (id, turn, _) in _effects.Thaws)
        {
            if (endpoint.Find(id) is { } instance)
            {
                _instances.Thaw(instance, turn);
            }
        }
    }

    private void Offer(SimulatedMachine machine)
    {
        var arbiter = machine.Arbiter;
        foreach (var instance in _effects.BecameBusy)
        {
            arbiter.Busy(instance, world.Now, _wanted);
        }

        foreach (var instance in _effects.BecameIdle)
        {
            arbiter.Idle(instance, _effects.IdleWorth, world.Now, _wanted);
        }

        if (_effects.Pressing is { } pressing)
        {
            world.Watch?.Pressed(machine.Index, pressing, world.Now);
            arbiter.Press(pressing, world.Now, _wanted);
        }
    }

    /// <summary>Asks the machine for the starts; tells the engine of those that must wait for room.</summary>
    private void Request(SimulatedEndpoint endpoint)
    {
        if (_effects.Starts.Count == 0)
        {
            return;
        }

        var (machine, need) = (endpoint.Machine, InstanceNeed.Of(endpoint.Spec));
        foreach (var start in _effects.Starts)
        {
            if (start.IsExpecting && !machine.Arbiter.TryRequestSpare(start.Instance, endpoint.Plan.Tenant, need, world.Now))
            {
                Follow(endpoint, RevisionEvent.InstanceDeclined(start.Instance));
                continue;
            }

            var instance = endpoint.Add(start.Instance);
            world.Watch?.Requested(machine.Index, start.Instance, world.Now);
            if (start.IsExpecting)
            {
                // After those that were asked for before it.
                _wanted.Admitted.Add(start.Instance);
                continue;
            }

            _requested.Add(instance);
            machine.Arbiter.Request(start.Instance, endpoint.Plan.Tenant, need, world.Now, _wanted);
        }

        foreach (var instance in _requested)
        {
            instance.IsHeld = !_wanted.Admitted.Contains(instance.Id) && !_wanted.Impossible.Contains(instance.Id);
            if (instance.IsHeld)
            {
                Follow(endpoint, RevisionEvent.InstanceHeld(instance.Id, machine.Arbiter.Hold(world.Now) ?? HoldReason.Memory));
            }
        }

        _requested.Clear();
    }

    /// <summary>A start's turn in time has come, if it was not wished for anew since.</summary>
    public void Look(SimulatedMachine machine, MonotonicTime wish)
    {
        if (machine.LooksAt == wish)
        {
            machine.LooksAt = MonotonicTime.Never;
            machine.Arbiter.Look(world.Now, _wanted);
            CarryOutWanted(machine);
            CarryOnFollowing();
        }
    }

    private void CarryOutWanted(SimulatedMachine machine)
    {
        if (_wanted.LookAgainAt < machine.LooksAt)
        {
            machine.LooksAt = _wanted.LookAgainAt;
            world.Events.Add(machine.LooksAt, new WorldEvent(EventKind.MachineLooks, machine.Index, machine.LooksAt.Ticks));
        }

        _wanted.LookAgainAt = MonotonicTime.Never;
        if (_wanted.IsEmpty)
        {
            return;
        }

        foreach (var id in _wanted.Admitted)
        {
            if (Owner(id).Find(id) is { Phase: InstancePhase.Requested } instance)
            {
                if (instance.IsHeld)
                {
                    instance.IsHeld = false;
                    Follow(instance.Endpoint, RevisionEvent.InstanceAdmitted(id));
                }

                _instances.Begin(instance);
            }
        }

        foreach (var id in _wanted.Evicted)
        {
            Follow(Owner(id), RevisionEvent.Evict(id));
        }

        foreach (var id in _wanted.GivingWay)
        {
            Follow(Owner(id), RevisionEvent.GiveWay(id));
        }

        foreach (var id in _wanted.Impossible)
        {
            var owner = Owner(id);
            var reason = $"An instance needs {InstanceNeed.Of(owner.Spec)}; all instances of this machine together may use {owner.Machine.Plan.Limits}.";
            Follow(owner, RevisionEvent.InstanceFailed(id, new StartFailure(StartFailureKind.Memory, reason)));
            Follow(owner, RevisionEvent.InstanceGone(id));
            if (owner.Find(id) is { } instance)
            {
                owner.Remove(instance);
                world.Watch?.Gone(owner.Machine.Index, id, world.Now);
            }
        }

        _wanted.Clear();
    }

    private SimulatedEndpoint Owner(InstanceId instance) => world.Endpoints[SimulatedEndpoint.IndexOf(instance)];

    private void Schedule(SimulatedEndpoint endpoint)
    {
        if (endpoint.WakeAt < endpoint.WakeScheduled)
        {
            endpoint.WakeScheduled = endpoint.WakeAt;
            world.Events.Add(endpoint.WakeAt, new WorldEvent(EventKind.Wake, endpoint.Index, endpoint.WakeAt.Ticks));
        }
    }

    private static StartCause CauseAfter(StopReason reason) => reason switch
    {
        StopReason.Evicted => StartCause.Eviction,
        StopReason.TimedOut or StopReason.Suspect => StartCause.Crash,
        _ => StartCause.Idle,
    };
}
