using Dormouse.Core;
using Dormouse.Core.Dispatch;
using Dormouse.Simulation.Results;

namespace Dormouse.Simulation.Worlds;

/// <summary>
/// The platform on virtual time: callers, endpoints, machines, instances and what goes wrong with them, around the product's own engines and arbiters. Whatever falls due next
/// happens next; nothing waits for real time, and the same plan gives the same run.
/// </summary>
public sealed class World
{
    /// <summary>Events between two looks at progress and cancellation.</summary>
    private const int StretchEvents = 1 << 16;

    private readonly WorldState _state;
    private readonly Dispatch _dispatch;
    private readonly InstanceLife _instances;
    private readonly Callers _callers;
    private readonly MachineLife _machineLife;
    private readonly SimulatedMachine[] _machines;
    private readonly MonotonicTime _end;

    /// <param name="watch">Hears of everything; null = nobody listens.</param>
    public World(WorldPlan plan, WorldWatch? watch = null)
    {
        _state = new WorldState(plan, watch);
        _end = new MonotonicTime(plan.Duration.Ticks);
        // The first three know each other; none is used before all are there.
        _dispatch = new Dispatch(_state);
        _instances = new InstanceLife(_state, _dispatch);
        _callers = new Callers(_state, _dispatch);
        _dispatch.Connect(_instances, _callers);
        _machineLife = new MachineLife(_state, _dispatch, _callers);
        _machines = [.. Enumerable.Range(0, plan.Machines).Select(i => new SimulatedMachine(i, plan.Machine, plan.Seed))];
        _state.Endpoints = [.. plan.Endpoints.Select((e, i) => new SimulatedEndpoint(i, e, _machines[i % _machines.Length]) { ChoiceSeed = (long)(plan.Seed * 1_000_003) + i })];
        Open();
    }

    public WorldTotals Totals => _state.Totals;

    /// <summary>The latest moment that was handled.</summary>
    public MonotonicTime Now => _state.Now;

    /// <summary>Invocations that wait or run.</summary>
    public int OpenInvocations => _state.Invocations.OpenCount;

    /// <summary>Engines that exist.</summary>
    public int Engines => _state.Engines;

    internal WorldState State => _state;

    /// <summary>Runs until the load is over and everybody is served, then closes the accounts. To be called once.</summary>
    /// <param name="progress">Hears how much virtual time has passed, now and then.</param>
    public WorldTotals Run(IProgress<TimeSpan>? progress, CancellationToken cancellationToken)
    {
        var reported = MonotonicTime.Never;
        while (_state.Events.TryPeek(out var at) && (at <= _end || _state.Invocations.OpenCount > 0))
        {
            Step();
            if (_state.Totals.Events % StretchEvents == 0 && _state.Now != reported)
            {
                cancellationToken.ThrowIfCancellationRequested();
                progress?.Report(new TimeSpan(_state.Now.Ticks));
                reported = _state.Now;
            }
        }

        progress?.Report(_state.Plan.Duration);
        foreach (var instance in _state.Endpoints.SelectMany(e => e.Instances).Where(i => i.IsClaimed))
        {
            _state.Totals.Held(instance.AdmittedAt, _end, instance.Endpoint.Spec.MemoryMib);
        }

        return _state.Totals;
    }

    /// <summary>Lets the next thing happen. False when nothing will.</summary>
    public bool Step()
    {
        if (!_state.Events.TryTake(out var at, out var what))
        {
            return false;
        }

        _state.IsLoadOver = at > _end;
        _state.Totals.Events++;
        Handle(at, what);
        return true;
    }

    private void Handle(MonotonicTime at, in WorldEvent what)
    {
        _state.Now = At(at, MachineOf(what));
        switch (what.Kind)
        {
            case EventKind.Arrival:
                _callers.Arrive(_state.Endpoints[what.Index]);
                break;
            case EventKind.RunEnds:
                _callers.RunEnds(what.Index, what.Value);
                break;
            case EventKind.RunLimit:
                _callers.RunIsLate(what.Index, what.Value);
                break;
            case EventKind.CallerLeaves:
                _callers.Leave(what.Index, what.Value);
                break;
            case EventKind.OverflowEnds:
                _state.Endpoints[what.Index].Overflowing--;
                break;
            case EventKind.Wake:
                _dispatch.Wake(_state.Endpoints[what.Index], new MonotonicTime(what.Value));
                break;
            case EventKind.ClockJump:
                _machineLife.Jump(_machines[what.Index]);
                break;
            case EventKind.MachineLost:
                _machineLife.Lose(_machines[what.Index]);
                break;
            case EventKind.MachineBack:
                _machineLife.Return(_machines[what.Index]);
                break;
            case EventKind.MachineLooks:
                _dispatch.Look(_machines[what.Index], new MonotonicTime(what.Value));
                break;
            case EventKind.FloorChanges:
                _dispatch.ChangeFloor(_state.Endpoints[what.Index], (int)what.Value);
                break;
            case EventKind.TrafficShifts:
                _dispatch.ShiftTraffic(_state.Endpoints[what.Index], what.Value < 0 ? null : (int)what.Value);
                break;
            case EventKind.MeterProvisioned:
                _dispatch.Feed(_state.Endpoints[what.Index], RevisionEvent.Of(RevisionEventKind.MeterProvisioned));
                ScheduleMeter(_state.Endpoints[what.Index]);
                break;
            case var _ when what.Instance is { } instance:
                HandleInstance(what, instance);
                break;
        }
    }

    private void HandleInstance(in WorldEvent what, SimulatedInstance instance)
    {
        switch (what.Kind)
        {
            case var _ when instance.Phase == InstancePhase.Void:
                // It was lost with its machine.
                break;
            case EventKind.WorkDue:
                _callers.WorkDue(instance, what.Value);
                break;
            case EventKind.AnswerLeft:
                _callers.AnswerLeft(instance);
                break;
            case EventKind.StartEnds:
                _instances.StartEnds(instance);
                break;
            case EventKind.ThawEnds:
                _instances.ThawEnds(instance, what.Value);
                break;
            case EventKind.Crash:
                _instances.Crash(instance);
                break;
            case EventKind.Lost:
                _instances.Lost(instance);
                break;
            case EventKind.Gone:
                _instances.Gone(instance);
                break;
        }
    }

    private void Open()
    {
        foreach (var endpoint in _state.Endpoints)
        {
            _callers.ScheduleNext(endpoint);
            if (endpoint.Spec.InitialInstances > 0)
            {
                _dispatch.Feed(endpoint, RevisionEvent.Of(RevisionEventKind.Begin));
            }

            if (endpoint.Spec.KeepsInstances)
            {
                _dispatch.Feed(endpoint, RevisionEvent.Of(RevisionEventKind.Woken));
            }

            ScheduleMeter(endpoint);
            foreach (var floor in endpoint.Plan.Floors)
            {
                _state.Events.Add(floor.At, new WorldEvent(EventKind.FloorChanges, endpoint.Index, floor.Instances));
            }

            foreach (var shift in endpoint.Plan.Shifts)
            {
                _state.Events.Add(shift.At, new WorldEvent(EventKind.TrafficShifts, endpoint.Index, shift.Standby ?? -1));
            }
        }

        foreach (var machine in _machines)
        {
            _machineLife.Schedule(machine);
        }
    }

    /// <summary>Once more at the end of the load, then no more: accounts close there.</summary>
    private void ScheduleMeter(SimulatedEndpoint endpoint)
    {
        if (endpoint.Spec.Provisioned > 0 && _state.Now < _end)
        {
            var next = _state.Now + _state.Plan.ProvisionedEvery;
            _state.Events.Add(next < _end ? next : _end, new WorldEvent(EventKind.MeterProvisioned, endpoint.Index, 0));
        }
    }

    /// <summary>A frozen machine handles late what falls due.</summary>
    private static MonotonicTime At(MonotonicTime at, SimulatedMachine machine) => at < machine.FrozenUntil ? machine.FrozenUntil : at;

    private SimulatedMachine MachineOf(in WorldEvent what) => what.Kind switch
    {
        EventKind.ClockJump or EventKind.MachineLost or EventKind.MachineBack or EventKind.MachineLooks => _machines[what.Index],
        EventKind.RunEnds or EventKind.RunLimit or EventKind.CallerLeaves => _state.Endpoints[_state.Invocations[what.Index].Endpoint].Machine,
        _ => _state.Endpoints[what.Index].Machine,
    };
}
