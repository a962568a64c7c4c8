using Dormouse.Core;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;

namespace Dormouse.Simulation.Promises;

/// <summary>
/// A plain account of one endpoint, kept from what its engine is told and what it answers, and compared after every event. It shares no code with the engine.
/// </summary>
/// <param name="floorMax">Most instances that a schedule asks for at any time.</param>
internal sealed class EndpointBook(RevisionSpec spec, int floorMax)
{
    private readonly List<Waiter> _waiting = [];
    private readonly Dictionary<long, Run> _runs = [];
    private readonly Dictionary<long, InstanceBook> _instances = [];
    private MonotonicTime _last;

    /// <summary>Slots that others got while a deferred invocation waits, since one of those got the last.</summary>
    private int _passed;

    /// <summary>Provisioned instances since the last event, and their time so far.</summary>
    private int _provisioned;
    private TimeSpan _provisionedTime;
    private long _provisionedMicroseconds;

    /// <summary>What a handover keeps; null = the revision has traffic.</summary>
    private int? _standby;

    public bool IsAtRest => _waiting.Count == 0 && _runs.Count == 0;

    public int InstanceCount => _instances.Count;

    /// <summary>Returns what is broken, or null.</summary>
    public string? Apply(in RevisionEvent @event, MonotonicTime now, RevisionEffects effects)
    {
        if (now < _last)
        {
            return $"time went back from {_last.Ticks} to {now.Ticks}";
        }

        _provisionedTime += (now - _last) * _provisioned;
        _last = now;
        var ended = Hear(@event, now);
        var gaveWay = GaveWay(@event, effects);
        CountProvisioned(effects);
        var broken = gaveWay ?? Provisioned(@event, effects) ?? Metered(ended, now, effects) ?? Refusals(now, effects) ?? Grants(now, effects) ?? Stops(now, effects) ?? FrozenBook.Apply(_instances, spec, now, effects) ?? Starts(effects)
            ?? Gone(@event) ?? Rest(now, effects);
        _provisioned = CountProvisioned(effects);
        return broken;
    }

    private Run? Hear(in RevisionEvent @event, MonotonicTime now)
    {
        var instance = _instances.GetValueOrDefault(@event.Instance.Number);
        switch (@event.Kind)
        {
            case RevisionEventKind.Arrived:
                var waiter = new Waiter(
                    @event.Ticket, now, @event.QueueDeadline, @event.Wishes.Deadline, @event.IsRetry, @event.Wishes.CanOverflow, @event.Wishes.IsDeferred && !@event.IsRetry);
                _waiting.Insert(waiter.IsRetry ? _waiting.Count(w => w.IsRetry) : waiter.IsDeferred ? _waiting.Count : _waiting.Count(w => !w.IsDeferred), waiter);
                break;
            case RevisionEventKind.Drain:
                _standby = @event.Standby.Instances;
                break;
            case RevisionEventKind.Resume:
                _standby = null;
                break;
            case RevisionEventKind.CallerLeft:
                var left = @event.Ticket;
                _waiting.RemoveAll(w => w.Ticket == left);
                break;
            case RevisionEventKind.Ended when _runs.Remove(@event.Lease.Id, out var run):
                End(run, @event.End, now);
                return run;
            case RevisionEventKind.InstanceReady when instance?.State == BookedState.Starting:
                instance.State = BookedState.Ready;
                break;
            case RevisionEventKind.InstanceDeclined when instance is not null:
                _instances.Remove(instance.Number);
                break;
            case RevisionEventKind.InstanceFailed or RevisionEventKind.InstanceLost or RevisionEventKind.InstanceGone:
                instance?.End(now);
                break;
        }

        return null;
    }

    /// <summary>One that is asked to give way to another endpoint takes no more, unless its engine says that it stays.</summary>
    private string? GaveWay(in RevisionEvent @event, RevisionEffects effects)
    {
        var number = @event.Instance.Number;
        if (@event.Kind != RevisionEventKind.GiveWay || _instances.GetValueOrDefault(number) is not { State: BookedState.Ready } instance
            || effects.BecameBusy.Exists(i => i.Number == number) || effects.Stops.Exists(s => s.Instance.Number == number))
        {
            return null;
        }

        instance.State = BookedState.Draining;
        return instance.IsProvisioned ? $"instance {number} gives way and is provisioned" : null;
    }

    private static void End(Run run, SlotEnd end, MonotonicTime now)
    {
        var instance = run.Instance;
        instance.OpenLeases--;
        instance.EndedRuns++;
        if (instance.State != BookedState.Over)
        {
            instance.Change(-1, now);
            instance.State = end == SlotEnd.Broken && instance.State == BookedState.Ready ? BookedState.Draining : instance.State;
        }
    }

    private static string? Metered(Run? ended, MonotonicTime now, RevisionEffects effects)
    {
        if (ended is null)
        {
            return effects.Metered.Count == 0 ? null : "a run was metered that had not ended, or twice";
        }

        if (effects.Metered.Count != 1)
        {
            return $"the run of lease {ended.Lease} ended and was metered {effects.Metered.Count} times";
        }

        var metered = effects.Metered[0].MeteredMicroseconds;
        ended.Instance.MeteredMicroseconds += metered;
        var longest = (now - ended.StartedAt).Ticks / TimeSpan.TicksPerMicrosecond;
        return metered < 0 || metered > longest ? $"a run of {longest} µs was metered {metered} µs"
            : ended.Instance.MeteredMicroseconds * TimeSpan.TicksPerMicrosecond > ended.Instance.Busy.Ticks
                ? $"instance {ended.Instance.Number} was busy for {ended.Instance.Busy.TotalMicroseconds} µs and metered {ended.Instance.MeteredMicroseconds}: time is billed twice"
                : null;
    }

    /// <summary>As many of those ready as the revision has provisioned, whichever they are: each microsecond of theirs is accounted once.</summary>
    private string? Provisioned(in RevisionEvent @event, RevisionEffects effects)
    {
        if (@event.Kind != RevisionEventKind.MeterProvisioned)
        {
            return effects.ProvisionedMicroseconds == 0 ? null : "provisioned time was accounted that nobody asked for";
        }

        _provisionedMicroseconds += effects.ProvisionedMicroseconds;
        var whole = _provisionedTime.Ticks / TimeSpan.TicksPerMicrosecond;
        return _provisionedMicroseconds == whole ? null : $"provisioned instances were there for {whole} µs and {_provisionedMicroseconds} were accounted";
    }

    /// <summary>Provisioned are the ready ones that were started first, while the revision has traffic; they are never idled out or evicted.</summary>
    private int CountProvisioned(RevisionEffects effects)
    {
        // What was stopped for a run that took too long was so before slots were given.
        var ready = _instances.Values
            .Where(i => i.State == BookedState.Ready && !effects.Stops.Exists(s => s.Reason == StopReason.TimedOut && s.Instance.Number == i.Number))
            .OrderBy(i => i.Number)
            .ToList();
        var provisioned = _standby is null ? spec.Provisioned : 0;
        for (var i = 0; i < ready.Count; i++)
        {
            ready[i].IsProvisioned = i < provisioned;
        }

        return Math.Min(ready.Count, provisioned);
    }

    /// <summary>An instance serves on and has a slot that nobody got.</summary>
    private bool HasFreeSlot(RevisionEffects effects) =>
        _instances.Values.Any(i => i.State == BookedState.Ready && i.Running < effects.SlotsPerInstance && !effects.Stops.Exists(s => s.Instance.Number == i.Number));

    private string? Refusals(MonotonicTime now, RevisionEffects effects)
    {
        foreach (var refusal in effects.Refusals)
        {
            var waiter = _waiting.Find(w => w.Ticket == refusal.Ticket);
            if (waiter is null || _waiting.RemoveAll(w => w.Ticket == refusal.Ticket) != 1)
            {
                return $"ticket {refusal.Ticket} was refused and did not wait";
            }

            if (refusal.Kind == RefusalKind.CallerDeadline && waiter.CallerDeadline == MonotonicTime.Never)
            {
                return $"ticket {refusal.Ticket} is refused for a deadline that its caller did not name";
            }

            if (refusal.Kind == RefusalKind.CallerDeadline && waiter.CallerDeadline > now && HasFreeSlot(effects))
            {
                return $"ticket {refusal.Ticket} is refused for its caller's deadline though a slot is free";
            }

            if (refusal.Overflow != OverflowAdvice.None && !waiter.CanOverflow)
            {
                return $"ticket {refusal.Ticket} is sent away and cannot overflow";
            }

            // One whose time is over is not given a slot that comes free at that very moment, whether it can go elsewhere or not.
            if (refusal.Overflow != OverflowAdvice.None && waiter.Deadline > now && HasFreeSlot(effects))
            {
                return $"ticket {refusal.Ticket} is sent away though a slot is free";
            }

            if (refusal.Overflow == OverflowAdvice.InPlaceOfWaiting && now >= waiter.Deadline)
            {
                return $"ticket {refusal.Ticket} is said to have time to wait on and has none";
            }
        }

        return null;
    }

    private string? Grants(MonotonicTime now, RevisionEffects effects)
    {
        foreach (var grant in effects.Grants)
        {
            var next = Turn();
            if (_waiting.Count == 0 || _waiting[next].Ticket != grant.Ticket)
            {
                return $"ticket {grant.Ticket} got a slot and {(_waiting.Exists(w => w.Ticket == grant.Ticket) ? "it was not its turn" : "did not wait")}";
            }

            if (_waiting[next].CallerDeadline <= now)
            {
                return $"ticket {grant.Ticket} got a slot after its caller's deadline";
            }

            _waiting.RemoveAt(next);
            var instance = _instances.GetValueOrDefault(grant.Lease.Instance.Number);
            if (instance is not { State: BookedState.Ready })
            {
                return $"a slot was given on instance {grant.Lease.Instance.Number}, which is {instance?.State.ToString() ?? "not there"}";
            }

            if (grant.Lease.IsProvisioned != instance.IsProvisioned)
            {
                return $"a slot on instance {instance.Number} was given as {(instance.IsProvisioned ? "on-demand" : "provisioned")}, which it is not";
            }

            if (spec.IsConcurrencyUnlimited && IsMostLoaded(instance, effects))
            {
                return $"a slot was given on instance {instance.Number}, which runs {instance.Running}, more than every other: of two that are drawn the one with less is to be taken";
            }

            instance.Change(1, now);
            instance.OpenLeases++;
            if (instance.Running > effects.SlotsPerInstance || effects.SlotsPerInstance > spec.Slots)
            {
                return $"instance {instance.Number} runs {instance.Running} invocations; it has {effects.SlotsPerInstance} slots of at most {spec.Slots}";
            }

            if (!_runs.TryAdd(grant.Lease.Id, new Run(grant.Lease.Id, instance, now)))
            {
                return $"lease {grant.Lease.Id} was given twice";
            }
        }

        return null;
    }

    /// <summary>All others that could take an invocation run fewer. While a provisioned one has less than its share only those count.</summary>
    private bool IsMostLoaded(InstanceBook instance, RevisionEffects effects)
    {
        var free = _instances.Values.Where(i => i.State == BookedState.Ready && i.Running < effects.SlotsPerInstance && !effects.Stops.Exists(s => s.Instance.Number == i.Number)).ToList();
        var paid = free.Where(i => i.IsProvisioned && i.Running < spec.SoftSlots).ToList();
        var others = (paid.Count > 0 ? paid : free).Where(i => i != instance).ToList();
        return others.Count > 0 && others.TrueForAll(i => i.Running < instance.Running);
    }

    /// <summary>Place of the one whose turn it is: the first, but while deferred ones wait every tenth is the first of those.</summary>
    private int Turn()
    {
        var deferred = _waiting.FindIndex(w => w.IsDeferred);
        if (deferred > 0 && ++_passed < CallerWishes.DeferredShare)
        {
            return 0;
        }

        _passed = 0;
        return Math.Max(0, deferred);
    }

    private string? Stops(MonotonicTime now, RevisionEffects effects)
    {
        foreach (var stop in effects.Stops)
        {
            if (_instances.GetValueOrDefault(stop.Instance.Number) is not { } instance || instance.State == BookedState.Over)
            {
                return $"instance {stop.Instance.Number} was stopped and is over";
            }

            if (instance.IsProvisioned && stop.Reason is StopReason.Idle or StopReason.Evicted)
            {
                return $"instance {instance.Number} was stopped ({stop.Reason}) and is provisioned";
            }

            if (instance.Running > 0 && stop.Reason is StopReason.Idle or StopReason.Evicted)
            {
                return $"instance {instance.Number} was stopped ({stop.Reason}) while {instance.Running} ran on it";
            }

            if (instance.State == BookedState.Ready && stop.Reason is StopReason.Idle or StopReason.Evicted or StopReason.Requested
                && _instances.Values.Count(i => i.State == BookedState.Ready) <= Math.Min(_standby ?? 0, spec.MaxInstances))
            {
                return $"instance {instance.Number} was stopped ({stop.Reason}) and is one of {_standby} that a handover keeps";
            }

            instance.End(now);
        }

        return null;
    }

    private string? Starts(RevisionEffects effects)
    {
        foreach (var start in effects.Starts)
        {
            if (!_instances.TryAdd(start.Instance.Number, new InstanceBook(start.Instance.Number)))
            {
                return $"instance {start.Instance.Number} was started twice";
            }
        }

        var count = _instances.Values.Count(i => i.CountsForMax);
        return count > spec.MaxInstances ? $"{count} instances start, serve or drain; max-instances is {spec.MaxInstances}" : Deferred(effects);
    }

    /// <summary>While fewer are ready than are paid for, none is started beyond those that are kept for work that nobody waits for.</summary>
    private string? Deferred(RevisionEffects effects)
    {
        var isForThem = _waiting.Count > 0 && _waiting.TrueForAll(w => w.IsDeferred);
        var isForSpare = spec.SpareInstances > 0 || spec.HasLoadTarget;
        if (effects.Starts.Count == 0 || !isForThem || isForSpare || _standby is not null || _instances.Values.Count(i => i.State == BookedState.Ready) >= spec.Provisioned)
        {
            return null;
        }

        var kept = new[] { spec.Provisioned, spec.MinInstances, spec.InitialInstances, spec.ActivationInstances, floorMax }.Max();
        var live = _instances.Values.Count(i => i.State is BookedState.Starting or BookedState.Ready);
        return live > kept ? $"{live} instances serve or start for asynchronous invocations alone; {kept} are kept, and of {spec.Provisioned} provisioned not all are ready" : null;
    }

    /// <summary>Callers for whom instances are started or thawed: not those that nobody waits for while fewer are ready than are paid for.</summary>
    private int WhoMatter => _instances.Values.Count(i => i.State == BookedState.Ready) < spec.Provisioned ? _waiting.Count(w => !w.IsDeferred) : _waiting.Count;

    /// <summary>When nothing more can be metered on an instance, all its busy time must have been.</summary>
    private string? Gone(in RevisionEvent @event)
    {
        if (@event.Kind is not (RevisionEventKind.InstanceGone or RevisionEventKind.Ended) || _instances.GetValueOrDefault(@event.Instance.Number) is not { } instance)
        {
            return null;
        }

        instance.IsGone |= @event.Kind == RevisionEventKind.InstanceGone;
        if (!instance.IsGone || instance.OpenLeases > 0)
        {
            return null;
        }

        _instances.Remove(instance.Number);
        // Each share is rounded down to a whole microsecond.
        var missed = (instance.Busy.Ticks / TimeSpan.TicksPerMicrosecond) - instance.MeteredMicroseconds;
        return missed > instance.EndedRuns + 1 ? $"instance {instance.Number} was busy {missed} µs more than was metered over {instance.EndedRuns} runs: time is not billed" : null;
    }

    private string? Rest(MonotonicTime now, RevisionEffects effects)
    {
        _passed = _waiting.Exists(w => w.IsDeferred) ? _passed : 0;
        if (effects.WakeAt <= now)
        {
            return $"the engine wants to wake at {effects.WakeAt.Ticks}, now is {now.Ticks}";
        }

        if (_waiting.Count == 0)
        {
            return null;
        }

        if (_waiting.Count(w => !w.IsRetry) > spec.QueueLimit)
        {
            return $"{_waiting.Count} wait; the queue's limit is {spec.QueueLimit}";
        }

        var first = _waiting.Min(w => w.Deadline);
        return first <= now ? "a caller waits longer than the queue time-out or his own deadline"
            : effects.WakeAt > first ? "the engine sleeps longer than a caller may wait"
            : _instances.Values.Any(i => i.State == BookedState.Ready && i.Running < effects.SlotsPerInstance) ? "a caller waits though a slot is free"
            : FrozenBook.CouldThaw(_instances, WhoMatter, effects) ? "a caller waits for a start, or for another's end, though a frozen instance is there"
            : _instances.Values.Any(i => i.CountsForMax && i.State != BookedState.Frozen) ? null
            : "a caller waits and no instance is there, starts or drains";
    }

    /// <param name="CallerDeadline">Never = its caller did not say.</param>
    private sealed record Waiter(
        long Ticket, MonotonicTime ArrivedAt, MonotonicTime QueueDeadline, MonotonicTime CallerDeadline, bool IsRetry, bool CanOverflow, bool IsDeferred)
    {
        public MonotonicTime Deadline => CallerDeadline < QueueDeadline ? CallerDeadline : QueueDeadline;
    }

    private sealed record Run(long Lease, InstanceBook Instance, MonotonicTime StartedAt);
}
