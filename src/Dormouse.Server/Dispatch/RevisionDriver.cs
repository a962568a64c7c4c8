using Dormouse.Core;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;

namespace Dormouse.Server.Dispatch;

/// <summary>
/// One engine behind one short lock, with the callers that wait and the instances that exist. Every event goes through <see cref="Apply"/>: the engine
/// decides under the lock, waiting callers are answered, and what must be done elsewhere is returned as an <see cref="Aftermath"/>
/// that <see cref="DispatchService"/> carries out without the lock.
/// </summary>
internal sealed class RevisionDriver
{
    private readonly Lock _engineLock = new();
    private readonly RevisionEngine _engine;
    private readonly RevisionEffects _effects = new();
    private readonly Dictionary<long, SlotWaiter> _waiting = [];
    private readonly Dictionary<InstanceId, InstanceEntry> _instances = [];
    private readonly Dictionary<long, long> _meteredEarlier = [];
    private readonly MonotonicClock _clock;
    private readonly MachineBudget _budget;
    private readonly TimerWheel _wheel;
    private readonly Action<RevisionDriver, Aftermath> _carryOut;
    private readonly Action<MonotonicTime> _wake;
    private readonly TaskCompletionSource _dropped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private MonotonicTime _wakeAt = MonotonicTime.Never;
    private MonotonicTime _wakeScheduled = MonotonicTime.Never;
    private long _lastTicket;
    private bool _isDropped;

    public RevisionDriver(
        Revision revision, RevisionEngine engine, MonotonicClock clock, MachineBudget budget, TimerWheel wheel, Action<RevisionDriver, Aftermath> carryOut)
    {
        Revision = revision;
        _engine = engine;
        _clock = clock;
        _budget = budget;
        _wheel = wheel;
        _carryOut = carryOut;
        _wake = Wake;
    }

    public Revision Revision { get; }

    /// <summary>Ends when nothing is left of the revision: no queue, run or instance.</summary>
    public Task Dropped => _dropped.Task;

    /// <summary>Highest instance number so far; the next engine of this revision begins above it.</summary>
    public long LastInstanceNumber { get; private set; }

    /// <summary>Asks for a slot. False when this driver was dropped meanwhile: ask the next one.</summary>
    public bool TryAcquire(long bodyBytes, bool isRetry, CancellationToken cancellationToken, out ValueTask<SlotResult> result)
    {
        Aftermath? aftermath = null;
        SlotWaiter? waiter = null;
        SlotResult? answer;
        lock (_engineLock)
        {
            if (_isDropped)
            {
                result = default;
                return false;
            }

            var now = _clock.Now;
            var ticket = ++_lastTicket;
            _effects.Clear();
            _engine.Apply(RevisionEvent.Arrived(ticket, now + Revision.Spec.QueueTimeout, bodyBytes, isRetry), now, _effects);
            answer = TakeLocked(ticket, now, ref aftermath);
            if (answer is null)
            {
                waiter = new SlotWaiter(this, ticket);
                _waiting[ticket] = waiter;
            }
        }

        CarryOut(aftermath);
        result = answer is not null ? new ValueTask<SlotResult>(answer) : waiter!.WaitAsync(cancellationToken);
        return true;
    }

    /// <summary>The caller of a waiting invocation left. False when it was answered already.</summary>
    public bool Leave(long ticket)
    {
        Aftermath? aftermath = null;
        lock (_engineLock)
        {
            if (!_waiting.Remove(ticket))
            {
                return false;
            }

            ApplyLocked(RevisionEvent.CallerLeft(ticket), _clock.Now, ref aftermath);
        }

        CarryOut(aftermath);
        return true;
    }

    /// <summary>A run ended. Returns its metered share, µs.</summary>
    public long Release(in SlotLease lease, SlotEnd end)
    {
        Aftermath? aftermath = null;
        long metered;
        lock (_engineLock)
        {
            var now = _clock.Now;
            _effects.Clear();
            _engine.Apply(RevisionEvent.Ended(lease, end), now, _effects);
            // Of an instance that was lost first, the engine metered all runs then.
            _meteredEarlier.Remove(lease.Id, out metered);
            foreach (var run in _effects.Metered)
            {
                if (run.Lease.Id == lease.Id)
                {
                    metered = run.MeteredMicroseconds;
                }
            }

            TakeLocked(ticket: 0, now, ref aftermath, released: lease);
        }

        CarryOut(aftermath);
        return metered;
    }

    /// <summary>Feeds an event that is not about one instance's life: Drain, Resume, Retire, Woken, Evict.</summary>
    public void Apply(in RevisionEvent @event)
    {
        Aftermath? aftermath = null;
        lock (_engineLock)
        {
            if (!_isDropped)
            {
                ApplyLocked(@event, _clock.Now, ref aftermath);
            }
        }

        CarryOut(aftermath);
    }

    /// <summary>The machine admitted a start. False when it is no longer wanted.</summary>
    public bool TryPrepare(InstanceId instance)
    {
        lock (_engineLock)
        {
            if (!_instances.TryGetValue(instance, out var entry) || entry.State != EntryState.Requested)
            {
                return false;
            }

            entry.State = EntryState.Preparing;
            return true;
        }
    }

    /// <summary>Its files are laid out. False when it was stopped meanwhile: then the driver never hears of it.</summary>
    public bool IsStillWanted(InstanceId instance)
    {
        lock (_engineLock)
        {
            return _instances.TryGetValue(instance, out var entry) && entry.StopWanted is null;
        }
    }

    /// <summary>The driver was told to start it: from here on stops go straight to the driver. Returns a stop that came before.</summary>
    public StopReason? ConfirmStarted(InstanceId instance)
    {
        lock (_engineLock)
        {
            if (!_instances.TryGetValue(instance, out var entry))
            {
                return null;
            }

            if (entry.State == EntryState.Preparing)
            {
                entry.State = EntryState.Starting;
            }

            return entry.StopWanted;
        }
    }

    public void Ready(InstanceId instance, InstanceReady ready)
    {
        Aftermath? aftermath = null;
        lock (_engineLock)
        {
            if (_instances.TryGetValue(instance, out var entry))
            {
                var now = _clock.Now;
                entry.State = EntryState.Ready;
                _budget.StartEnded(instance, now, ref aftermath);
                ApplyLocked(RevisionEvent.InstanceReady(instance, ready), now, ref aftermath);
                SyncIdleLocked(entry, now, ref aftermath);
            }
        }

        CarryOut(aftermath);
    }

    /// <summary>It failed to start, or was lost: <paramref name="event"/> says which. Its end (<see cref="Gone"/>) follows.</summary>
    public void Ended(InstanceId instance, in RevisionEvent @event)
    {
        Aftermath? aftermath = null;
        lock (_engineLock)
        {
            if (_instances.TryGetValue(instance, out var entry))
            {
                var now = _clock.Now;
                if (entry.State is EntryState.Requested or EntryState.Preparing or EntryState.Starting)
                {
                    _budget.StartEnded(instance, now, ref aftermath);
                }

                entry.State = EntryState.Ended;
                ApplyLocked(@event, now, ref aftermath);
                SyncIdleLocked(entry, now, ref aftermath);
            }
        }

        CarryOut(aftermath);
    }

    public void Gone(InstanceId instance)
    {
        Aftermath? aftermath = null;
        lock (_engineLock)
        {
            if (_instances.Remove(instance))
            {
                var now = _clock.Now;
                _budget.Released(instance, now, ref aftermath);
                ApplyLocked(RevisionEvent.InstanceGone(instance), now, ref aftermath);
            }
        }

        CarryOut(aftermath);
    }

    /// <summary>Null when it was dropped.</summary>
    public RevisionSample? Sample()
    {
        lock (_engineLock)
        {
            return _isDropped ? null : _engine.Sample(_clock.Now);
        }
    }

    /// <summary>Called once by the service, after it has forgotten this driver.</summary>
    public void SignalDropped() => _dropped.TrySetResult();

    private void Wake(MonotonicTime wish)
    {
        Aftermath? aftermath = null;
        lock (_engineLock)
        {
            if (_isDropped || wish != _wakeScheduled)
            {
                // An earlier wish took its place.
                return;
            }

            _wakeScheduled = MonotonicTime.Never;
            var now = _clock.Now;
            if (_wakeAt <= now)
            {
                ApplyLocked(RevisionEvent.Of(RevisionEventKind.Woken), now, ref aftermath);
            }
            else
            {
                ScheduleLocked();
            }
        }

        CarryOut(aftermath);
    }

    private void CarryOut(Aftermath? aftermath)
    {
        if (aftermath is not null)
        {
            _carryOut(this, aftermath);
        }
    }

    private void ApplyLocked(in RevisionEvent @event, MonotonicTime now, ref Aftermath? aftermath)
    {
        _effects.Clear();
        _engine.Apply(@event, now, _effects);
        TakeLocked(ticket: 0, now, ref aftermath);
    }

    /// <summary>Distributes the effects; returns the answer to <paramref name="ticket"/> when it is among them.</summary>
    /// <param name="released">The lease that this event ends, if it ends one: its slot is free, its meter was read by the caller.</param>
    private SlotResult? TakeLocked(long ticket, MonotonicTime now, ref Aftermath? aftermath, SlotLease? released = null)
    {
        foreach (var run in _effects.Metered)
        {
            if (run.Lease.Id != released?.Id)
            {
                _meteredEarlier[run.Lease.Id] = run.MeteredMicroseconds;
            }
        }

        foreach (var start in _effects.Starts)
        {
            _instances[start.Instance] = new InstanceEntry(start.Instance);
            LastInstanceNumber = Math.Max(LastInstanceNumber, start.Instance.Number);
        }

        StopLocked(now, ref aftermath);
        var answer = AnswerLocked(ticket);
        SyncLeasesLocked(released, now, ref aftermath);
        foreach (var start in _effects.Starts)
        {
            _budget.Request(start.Instance, Revision.Spec.MemoryMib, now, ref aftermath);
        }

        if (_effects.Changes.Count > 0)
        {
            (aftermath ??= new Aftermath()).Changes.AddRange(_effects.Changes);
        }

        _wakeAt = _effects.WakeAt;
        ScheduleLocked();
        if (_engine.IsEmpty && _instances.Count == 0 && _waiting.Count == 0 && !_isDropped)
        {
            _isDropped = true;
            (aftermath ??= new Aftermath()).IsDropped = true;
        }

        return answer;
    }

    private SlotResult? AnswerLocked(long ticket)
    {
        SlotResult? answer = null;
        foreach (var grant in _effects.Grants)
        {
            GiveLocked(grant.Ticket, new SlotResult.Granted(grant), ticket, ref answer);
        }

        foreach (var refusal in _effects.Refusals)
        {
            GiveLocked(refusal.Ticket, new SlotResult.Refused(refusal), ticket, ref answer);
        }

        return answer;
    }

    private void GiveLocked(long to, SlotResult result, long mine, ref SlotResult? answer)
    {
        if (to == mine)
        {
            answer = result;
        }
        else if (_waiting.Remove(to, out var waiter))
        {
            waiter.Answer(result);
        }
    }

    /// <summary>Tells the arbiter which instances have work now: a slot that is handed on at once never looks idle.</summary>
    private void SyncLeasesLocked(SlotLease? released, MonotonicTime now, ref Aftermath? aftermath)
    {
        foreach (var grant in _effects.Grants)
        {
            if (_instances.TryGetValue(grant.Lease.Instance, out var granted))
            {
                granted.Leases.Add(grant.Lease.Id);
                SyncIdleLocked(granted, now, ref aftermath);
            }
        }

        if (released is { } lease && _instances.TryGetValue(lease.Instance, out var entry) && entry.Leases.Remove(lease.Id))
        {
            SyncIdleLocked(entry, now, ref aftermath);
        }
    }

    private void StopLocked(MonotonicTime now, ref Aftermath? aftermath)
    {
        foreach (var stop in _effects.Stops)
        {
            if (!_instances.TryGetValue(stop.Instance, out var entry))
            {
                continue;
            }

            aftermath ??= new Aftermath();
            entry.IsStopped = true;
            SyncIdleLocked(entry, now, ref aftermath);
            switch (entry.State)
            {
                case EntryState.Requested:
                    aftermath.NeverStarted.Add(stop.Instance);
                    break;
                case EntryState.Preparing:
                    entry.StopWanted ??= stop.Reason;
                    break;
                default:
                    aftermath.Stops.Add(stop);
                    break;
            }
        }
    }

    private void SyncIdleLocked(InstanceEntry entry, MonotonicTime now, ref Aftermath? aftermath)
    {
        var isIdle = entry.State == EntryState.Ready && entry.Leases.Count == 0 && !entry.IsStopped;
        if (isIdle == entry.IsToldIdle)
        {
            return;
        }

        entry.IsToldIdle = isIdle;
        if (isIdle)
        {
            _budget.Idle(entry.Id, now, ref aftermath);
        }
        else
        {
            _budget.Busy(entry.Id);
        }
    }

    private void ScheduleLocked()
    {
        if (_wakeAt < _wakeScheduled)
        {
            _wakeScheduled = _wakeAt;
            _wheel.Schedule(_wakeAt, _wake);
        }
    }
}
