using Dormouse.Core;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Scaling;

namespace Dormouse.Server.Dispatch;

/// <summary>
/// One engine behind one short lock, with the callers that wait and the instances that exist. The engine decides under the lock, waiting callers are answered
/// there (their continuations run elsewhere), and what must be done besides becomes an <see cref="Aftermath"/> that the service carries out without the lock.
/// </summary>
internal sealed class RevisionDriver
{
    private readonly EngineLock _engineLock = new();
    private readonly RevisionEngine _engine;
    private readonly RevisionEffects _effects = new();
    private readonly WaitingCallers _waiting = new();
    private readonly StopWaits _stops = new();
    private readonly Dictionary<InstanceId, InstanceEntry> _instances = [];
    private readonly MonotonicClock _clock;
    private readonly MachineBudget _budget;
    private readonly TimerWheel _wheel;
    private readonly Action<RevisionDriver, Aftermath> _carryOut;
    private readonly Action<MonotonicTime> _wake;
    private readonly TaskCompletionSource _dropped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private MonotonicTime _wakeAt = MonotonicTime.Never;
    private MonotonicTime _wakeScheduled = MonotonicTime.Never;
    private long _lastTicket;

    /// <summary>Share of the run that the last Ended event ended.</summary>
    private long _metered;

    /// <summary>Provisioned time that nobody has taken, µs.</summary>
    private long _provisioned;
    private bool _isDropped;

    public RevisionDriver(Revision revision, RevisionEngine engine, DispatchMachine machine, Action<RevisionDriver, Aftermath> carryOut)
    {
        Revision = revision;
        _engine = engine;
        _clock = machine.Clock;
        _budget = machine.Budget;
        _wheel = machine.Wheel;
        _carryOut = carryOut;
        _wake = Wake;
    }

    public Revision Revision { get; }

    /// <summary>Ends when nothing is left of the revision: no queue, run or instance.</summary>
    public Task Dropped => _dropped.Task;

    /// <summary>Read after it was dropped: where the next engine of this revision begins to count instances, and what this one knew.</summary>
    public (long NextInstanceNumber, LearnedTimes Learned, IdleMemory Idle) Legacy => (_engine.NextInstanceNumber, _engine.Learned, _engine.Idle);

    /// <summary>Asks for a slot. False when this driver was dropped meanwhile: ask the next one.</summary>
    public bool TryAcquire(in SlotRequest request, CancellationToken cancellationToken, out ValueTask<SlotResult> result)
    {
        Aftermath? aftermath = null;
        SlotWaiter? waiter = null;
        SlotResult? answer;
        using (_engineLock.Enter())
        {
            if (_isDropped)
            {
                result = default;
                return false;
            }

            var now = _clock.Now;
            var ticket = ++_lastTicket;
            answer = ApplyLocked(request.Arrival(ticket, now, Revision.Spec.QueueTimeout), now, ref aftermath, ticket);
            if (answer is null)
            {
                waiter = _waiting.Add(this, ticket);
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
        using (_engineLock.Enter())
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
        using (_engineLock.Enter())
        {
            _metered = 0;
            ApplyLocked(RevisionEvent.Ended(lease, end), _clock.Now, ref aftermath);
            metered = _metered;
        }

        CarryOut(aftermath);
        return metered;
    }

    /// <summary>Feeds an event that is not about one instance's life: Drain, Resume, Retire, Woken, Evict, AnswerLeft. False when this driver was dropped.</summary>
    public bool Apply(in RevisionEvent @event)
    {
        Aftermath? aftermath = null;
        using (_engineLock.Enter())
        {
            if (_isDropped)
            {
                return false;
            }

            ApplyLocked(@event, _clock.Now, ref aftermath);
        }

        CarryOut(aftermath);
        return true;
    }

    /// <summary>Stops the instances that are there. Ends when nothing is left of the revision, or, when calls go on coming, of those instances.</summary>
    public Task StopAsync()
    {
        Aftermath? aftermath = null;
        Task stopped;
        using (_engineLock.Enter())
        {
            if (_isDropped)
            {
                return Dropped;
            }

            stopped = _stops.Add(_instances.Keys);
            ApplyLocked(RevisionEvent.Of(RevisionEventKind.Stop), _clock.Now, ref aftermath);
        }

        CarryOut(aftermath);
        return Task.WhenAny(Dropped, stopped);
    }

    /// <summary>The machine admitted a start. False when it is no longer wanted.</summary>
    public bool TryPrepare(InstanceId instance)
    {
        Aftermath? aftermath = null;
        using (_engineLock.Enter())
        {
            if (!_instances.TryGetValue(instance, out var entry) || entry.State != EntryState.Requested)
            {
                return false;
            }

            entry.State = EntryState.Preparing;
            if (entry.IsHeld)
            {
                ApplyLocked(RevisionEvent.InstanceAdmitted(instance), _clock.Now, ref aftermath);
            }
        }

        CarryOut(aftermath);
        return true;
    }

    /// <summary>Whether an instance is here, and still wanted: one that was stopped before its files were laid out the driver never hears of.</summary>
    public (bool IsThere, bool IsStillWanted) Look(InstanceId instance)
    {
        using (_engineLock.Enter())
        {
            return _instances.TryGetValue(instance, out var entry) ? (true, entry.StopWanted is null) : default;
        }
    }

    /// <summary>The driver was told to start it: from here on stops go straight to the driver. Returns a stop that came before.</summary>
    public StopReason? ConfirmStarted(InstanceId instance)
    {
        using (_engineLock.Enter())
        {
            if (!_instances.TryGetValue(instance, out var entry))
            {
                return null;
            }

            entry.State = EntryState.WithDriver;
            return entry.StopWanted;
        }
    }

    /// <summary>Its start ended (<paramref name="event"/> is Ready or Failed) or it was lost. False when it is unknown.</summary>
    public bool Report(InstanceId instance, in RevisionEvent @event)
    {
        Aftermath? aftermath = null;
        using (_engineLock.Enter())
        {
            if (!_instances.TryGetValue(instance, out var entry))
            {
                return false;
            }

            var now = _clock.Now;
            _budget.StartEnded(instance, now, ref aftermath);
            ApplyLocked(@event, now, ref aftermath);
        }

        CarryOut(aftermath);
        return true;
    }

    public void Gone(InstanceId instance)
    {
        Aftermath? aftermath = null;
        using (_engineLock.Enter())
        {
            if (_instances.Remove(instance))
            {
                _stops.Gone(instance);
                var now = _clock.Now;
                _budget.Released(instance, now, ref aftermath);
                ApplyLocked(RevisionEvent.InstanceGone(instance), now, ref aftermath);
            }
        }

        CarryOut(aftermath);
    }

    /// <summary>Provisioned time since the last call, µs; also after it was dropped, so that the last of it is not missed.</summary>
    public long MeterProvisioned()
    {
        Aftermath? aftermath = null;
        long microseconds;
        using (_engineLock.Enter())
        {
            ApplyLocked(RevisionEvent.Of(RevisionEventKind.MeterProvisioned), _clock.Now, ref aftermath);
            (microseconds, _provisioned) = (_provisioned, 0);
        }

        CarryOut(aftermath);
        return microseconds;
    }

    /// <summary>Null when it was dropped.</summary>
    public RevisionSample? Sample()
    {
        using (_engineLock.Enter())
        {
            return _isDropped ? null : _engine.Sample(_clock.Now);
        }
    }

    /// <summary>Called by the service after it has forgotten this driver.</summary>
    public void SignalDropped() => _dropped.TrySetResult();

    private void Wake(MonotonicTime wish)
    {
        Aftermath? aftermath = null;
        using (_engineLock.Enter())
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

    /// <summary>Lets the engine decide and distributes the effects. Returns the answer to <paramref name="ticket"/> when it is among them.</summary>
    private SlotResult? ApplyLocked(in RevisionEvent @event, MonotonicTime now, ref Aftermath? aftermath, long ticket = 0)
    {
        _effects.Clear();
        _engine.Apply(@event, now, _effects);
        var answer = _waiting.Answer(_effects, ticket);
        _wakeAt = _effects.WakeAt;
        _provisioned += _effects.ProvisionedMicroseconds;
        foreach (var run in _effects.Metered)
        {
            _metered = run.Lease.Id == @event.Lease.Id ? run.MeteredMicroseconds : _metered;
        }

        if (_effects.Starts.Count + _effects.Stops.Count + _effects.Changes.Count > 0)
        {
            // Each freeze and thaw is a change too.
            (aftermath ??= new Aftermath()).Take(_effects);
            StopLocked(aftermath);
        }

        if (_effects.Prefetch is { } why)
            (aftermath ??= new Aftermath()).Prefetch = why;
        _budget.Offer(_effects, now, ref aftermath);
        if (_effects.Starts.Count > 0)
        {
            answer = RequestLocked(now, ref aftermath, ticket) ?? answer;
        }

        ScheduleLocked();
        _stops.Settle(!_engine.IsStopped);
        if (_engine.IsEmpty && _instances.Count == 0 && !_isDropped)
        {
            _isDropped = true;
            (aftermath ??= new Aftermath()).IsDropped = true;
        }

        return answer;
    }

    private void StopLocked(Aftermath aftermath)
    {
        foreach (var stop in _effects.Stops)
        {
            if (_instances.TryGetValue(stop.Instance, out var entry))
            {
                entry.Stop(stop, aftermath);
            }
        }
    }

    /// <summary>Asks the machine for the starts; tells the engine of those that must wait for room, which may be the answer to <paramref name="ticket"/>.</summary>
    private SlotResult? RequestLocked(MonotonicTime now, ref Aftermath? aftermath, long ticket)
    {
        var (starts, need) = (_effects.Starts.ToArray(), InstanceNeed.Of(Revision.Spec));
        aftermath ??= new Aftermath();
        SlotResult? answer = null;
        foreach (var start in starts)
        {
            if (start.IsExpecting && !_budget.TryRequestSpare(start.Instance, Revision.Tenant, need, now))
            {
                answer = ApplyLocked(RevisionEvent.InstanceDeclined(start.Instance), now, ref aftermath, ticket) ?? answer;
                continue;
            }

            var entry = new InstanceEntry();
            _instances[start.Instance] = entry;
            aftermath!.Starts.Add(start);
            if (start.IsExpecting)
            {
                aftermath.Admitted.Add(start.Instance);
                continue;
            }

            _budget.Request(start.Instance, Revision.Tenant, need, now, ref aftermath);
            entry.IsHeld = !aftermath!.Admitted.Contains(start.Instance) && !aftermath.Impossible.Contains(start.Instance);
        }

        foreach (var start in starts)
        {
            if (_instances.TryGetValue(start.Instance, out var entry) && entry.IsHeld)
            {
                answer = ApplyLocked(RevisionEvent.InstanceHeld(start.Instance, _budget.Hold(now)), now, ref aftermath, ticket) ?? answer;
            }
        }

        return answer;
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
