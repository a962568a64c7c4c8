using Dormouse.Core.Endpoints;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Dispatch;

/// <summary>
/// Everything that is decided for one revision: which invocation gets which slot, who waits, who is refused, how many instances
/// should run, which are stopped. It owns its state and has no I/O, clock, lock or async: one driver at a time calls <see cref="Apply"/>
/// and carries out the effects. The server and the simulator drive the same code.
/// </summary>
/// <remarks>
/// An event first changes what is known; then <see cref="Settle"/> brings everything in line with it, always in the same order: overdue starts,
/// overdue callers, slots, idle instances, new starts. Between events nobody waits while a slot is free. In steady state nothing is allocated.
/// Instances count for <see cref="RevisionSpec.MaxInstances"/> while they start, serve or drain; a killed one no longer does, though its memory may not be free
/// yet: that is the arbiter's to know.
/// </remarks>
public sealed class RevisionEngine
{
    private static readonly TimeSpan RetryMin = TimeSpan.FromSeconds(1);

    private readonly RevisionSpec _spec;
    private readonly WaitingQueue _queue = new();
    private readonly InstanceRoster _roster;
    private readonly InstanceTable _table;
    private readonly WaitForecast _forecast;
    private readonly WaitRefusals _refusals;
    private long _nextLease = 1;
    private long _sequence;

    /// <summary>An instance is wanted though nobody waits: the last caller could not wait for its start.</summary>
    private bool _isAsked;

    /// <param name="revision">Whose invocations come here.</param>
    /// <param name="spec">A valid spec (<see cref="SpecRules"/>).</param>
    /// <param name="firstInstanceNumber">Number of the first instance it starts; the next ones follow. Numbers must not have been used in this run of the server.</param>
    /// <param name="initialCause">Why its first instance would be started: <see cref="StartCause.First"/>, <see cref="StartCause.Rollout"/>, or
    /// <see cref="StartCause.Idle"/> when an earlier engine of the revision had instances.</param>
    /// <param name="learned">What an earlier engine of the revision had measured (<see cref="Learned"/>).</param>
    /// <param name="choiceSeed">Any number: chance follows from it where instances are drawn (<see cref="TwoChoices"/>).</param>
    public RevisionEngine(
        RevisionId revision, RevisionSpec spec, long firstInstanceNumber, StartCause initialCause = StartCause.First, LearnedTimes learned = default, long choiceSeed = 0)
    {
        Revision = revision;
        _spec = spec;
        _roster = new InstanceRoster(revision, spec, firstInstanceNumber, initialCause, learned, choiceSeed);
        _table = _roster.Table;
        _forecast = new WaitForecast(_roster.Limit, _queue, _table);
        _refusals = new WaitRefusals(_roster.Limit, _queue, _table, _forecast);
    }

    public RevisionId Revision { get; }

    /// <summary>Start and run times measured so far.</summary>
    public LearnedTimes Learned => _roster.Learned;

    /// <summary>What is remembered of its idle times: given by the engine before it, and kept for the next.</summary>
    public IdleMemory Idle
    {
        get => _roster.KeepAlive.Memory;
        init => _roster.KeepAlive.Memory = value;
    }

    /// <summary>What a schedule asks for when it begins.</summary>
    public InstanceFloor Floor
    {
        init => _roster.Keeping.Floor = value;
    }

    /// <summary>The user stopped the endpoint and no invocation has come since.</summary>
    public bool IsStopped => _roster.Traffic.IsStopped;

    /// <summary>The number that its next instance would get.</summary>
    public long NextInstanceNumber => _roster.NextNumber;

    /// <summary>Invocations that instances are started or thawed for. Nobody waits for what is deferred: it fills what is paid for in any case first.</summary>
    private int Pressing => _roster.Provisioned.AreComing ? _queue.Count - _queue.DeferredCount : _queue.Count;

    /// <summary>When files are to be read ahead of a call, and why; null = not in this idle time.</summary>
    private (MonotonicTime At, string Why)? Prefetch => _roster.IsDraining || _roster.IsRetired ? null : _roster.KeepAlive.Prefetch(Learned.StartTime);

    /// <summary>
    /// True while nothing waits, runs or exists: the engine may be dropped. Unless it drains it is false also while instances are to be kept (min-instances, provisioned, a floor) and
    /// while failed starts are remembered, an invocation is expected or files are to be read ahead of one; then <see cref="RevisionEffects.WakeAt"/> says when that is over.
    /// </summary>
    public bool IsEmpty =>
        _queue.Count == 0 && _table.Count == 0 && (_roster.IsRetired || (_roster.IsDraining && _roster.Kept == 0) || (_roster.Backoff.Failure is null && _roster.Kept == 0 && _roster.StartAgainAt is null && Prefetch is null));

    /// <summary>
    /// Takes one event at <paramref name="now"/> (never earlier than the last) and appends what must be done to <paramref name="effects"/>, which the caller
    /// has cleared. Events about unknown tickets or instances are ignored: they lost a race. Every ticket that arrives gets exactly one grant or refusal, unless
    /// its caller left first; every grant gets exactly one <see cref="MeteredRun"/>, when it ends.
    /// </summary>
    /// <exception cref="ArgumentException">A ticket arrives that waits already.</exception>
    public void Apply(in RevisionEvent @event, MonotonicTime now, RevisionEffects effects)
    {
        _sequence++;
        _roster.Provisioned.Advance(now);
        switch (@event.Kind)
        {
            case RevisionEventKind.Arrived:
                Arrived(@event, now, effects);
                break;
            case RevisionEventKind.CallerLeft:
                _queue.Remove(@event.Ticket);
                break;
            case RevisionEventKind.Ended:
                Ended(@event.Lease, @event.End, now, effects);
                break;
            case RevisionEventKind.Woken:
                break;
            case RevisionEventKind.FloorChanged:
                _roster.Keeping.FloorChanged(@event.Floor, _roster.Traffic);
                break;
            case RevisionEventKind.MeterProvisioned:
                effects.ProvisionedMicroseconds = _roster.Provisioned.TakeMicroseconds();
                break;
            case RevisionEventKind.Drain:
                _roster.Traffic.Drain(@event.Why, @event.Standby);
                break;
            case RevisionEventKind.Stop:
                _roster.Traffic.Stop();
                _roster.DrainAll(now, effects);
                break;
            case RevisionEventKind.Begin:
                _roster.Begin();
                break;
            case RevisionEventKind.Resume:
                _roster.Resume(now);
                break;
            case RevisionEventKind.Retire:
                _roster.Traffic.Retire();
                _refusals.All(RefusalKind.Retired, Sentences.NoMore(), TimeSpan.Zero, null, effects);
                break;
            default:
                if (_table.Find(@event.Instance) is { } slot)
                {
                    _roster.Apply(slot, @event, _sequence, now, effects);
                }

                break;
        }

        _roster.MarkProvisioned();
        effects.WakeAt = Settle(now, effects);
        _roster.MarkProvisioned();
        effects.SlotsPerInstance = _roster.Slots;
    }

    /// <summary>What an observer sees now; allocates, so not for the hot path.</summary>
    public RevisionSample Sample(MonotonicTime now)
    {
        var (running, instances) = _table.Sample();
        return new RevisionSample(_queue.Count, _queue.BodyBytes, running, _roster.IsDraining || _roster.IsRetired, instances, _roster.Limit.State) { Slots = _roster.Shares.Soft };
    }

    private void Arrived(in RevisionEvent arrival, MonotonicTime now, RevisionEffects effects)
    {
        _roster.KeepAlive.Arrived(now);
        _roster.Holding.Arrived(now);
        if (_roster.IsRetired)
        {
            effects.Refusals.Add(new SlotRefusal(arrival.Ticket, RefusalKind.Retired, Sentences.NoMore(), TimeSpan.Zero, null));
            return;
        }

        if (IsStopped)
        {
            _roster.Traffic.Resume();
        }

        var waiter = new Waiter(arrival.Ticket, now, _sequence, arrival.QueueDeadline, arrival.BodyBytes, arrival.IsRetry, arrival.Wishes);
        if (waiter.Wishes.Deadline <= now)
        {
            effects.Refusals.Add(new SlotRefusal(waiter.Ticket, RefusalKind.CallerDeadline, Sentences.CallerDeadlinePassed(), TimeSpan.Zero, null));
            return;
        }

        if (_roster.Shares.Free is { } slot)
        {
            Grant(waiter, slot, StartKind.Warm, now, effects);
            return;
        }

        var isFull = _queue.Count >= _spec.QueueLimit || _queue.BodyBytes + arrival.BodyBytes > _spec.QueueLimitBytes;
        if (isFull && !arrival.IsRetry)
        {
            var detail = Sentences.QueueFull(_queue.Count, _spec.QueueLimit, _queue.BodyBytes, _spec.QueueLimitBytes, arrival.BodyBytes);
            effects.Refusals.Add(new SlotRefusal(arrival.Ticket, RefusalKind.QueueFull, detail, _forecast.DrainTime(Learned), null, WaitRefusals.Instead(waiter)));
            return;
        }

        if ((waiter.IsCallerFirst || waiter.Wishes.CanOverflow) && _forecast.Wait(waiter, now, Learned) is var wait && now + wait > waiter.Deadline)
        {
            effects.Refusals.Add(waiter.IsCallerFirst
                ? new SlotRefusal(
                    waiter.Ticket, RefusalKind.CallerDeadline, Sentences.CallerDeadlineShort(waiter.Deadline - now, wait), WaitForecast.RetryTime(wait), null, WaitRefusals.Instead(waiter))
                : new SlotRefusal(
                    waiter.Ticket, RefusalKind.QueueTimeout, Sentences.QueueTimeoutShort(waiter.Deadline - now, wait), WaitForecast.RetryTime(wait), null, OverflowAdvice.InPlaceOfWaiting));
            _isAsked = _table.Counts().Live == 0;
            return;
        }

        _queue.Add(waiter);
    }

    private void Ended(in SlotLease lease, SlotEnd end, MonotonicTime now, RevisionEffects effects)
    {
        if (_table.Find(lease.Instance) is { } slot
            && lease.Epoch == slot.Id.Number
            && slot.TryEnd(lease.Id, end, now, out var metered, out var run))
        {
            effects.Metered.Add(new MeteredRun(lease, metered));
            _roster.RunEnded(slot, run, now, effects);
        }
    }

    /// <summary>Brings everything in line with what is known now. Returns when to look again.</summary>
    private MonotonicTime Settle(MonotonicTime now, RevisionEffects effects)
    {
        var backoff = _roster.Backoff;
        backoff.Age(now);
        if (_roster.StopOverdueStarts(now, effects))
        {
            _refusals.All(RefusalKind.StartTimeout, Sentences.StartLimit(_spec.StartTimeout), WaitRefusals.RetryAfterStart, null, effects);
        }

        _refusals.Overdue(now, Learned, effects);
        while (_queue.Count > 0 && _roster.Shares.Free is { } slot && _queue.TryTakeFirst(out var waiter))
        {
            Grant(waiter, slot, slot.ReadySequence < waiter.Sequence ? StartKind.Queued : StartKind.Cold, now, effects);
        }

        var away = _refusals.SendAway(now, effects);
        if (_queue.Count == 0 && _table.IsQuiet)
        {
            _roster.KeepAlive.IsQuiet(now, Learned.StartTime);
        }

        if (_roster.Holding.IsWanted)
        {
            var held = _roster.Holding.ToHold;
            _roster.Holding.Observe(_table.Counts(), _queue.Count, _table.IsQuiet, _roster.Shares.Soft, now);
            _roster.KeepAlive.HeldUntil = held > 0 ? now : _roster.KeepAlive.HeldUntil;
        }

        _roster.StopIdle(now, effects);
        if (_queue.Count == 0 && _roster.Excess(_table.Counts()) == 0)
        {
            _roster.StopNeedlessStarts(now, effects);
        }

        var wake = Earlier(StartMore(now, effects), _roster.StartSpare(now, effects));
        wake = Earlier(wake, _roster.TellIdle(effects));
        wake = Earlier(wake, RoomPressure.Apply(_table, now, effects));
        wake = Earlier(wake, away);
        wake = Earlier(wake, _queue.EarliestDeadline);
        return backoff.Failure is null ? wake : Earlier(wake, backoff.ForgottenAt);
    }

    /// <summary>Starts what is missing, or refuses who waits when starts fail. Returns when the answer may become another one.</summary>
    private MonotonicTime StartMore(MonotonicTime now, RevisionEffects effects)
    {
        _roster.Thaw(_queue.Count, _isAsked, now, effects);
        var counts = _table.Counts();
        var missing = _roster.Kept - counts.Live;
        var isAsked = _isAsked && counts.Live == 0;
        _isAsked = false;
        if (_roster.IsRetired || (_queue.Count == 0 && missing <= 0 && !isAsked && _roster.Excess(counts) == 0))
        {
            return StartExpected(counts, now, effects);
        }

        var backoff = _roster.Backoff;
        if (backoff.IsActive(now) && backoff.Failure is { } failure)
        {
            if (counts.Live == 0)
            {
                var wait = backoff.Until - now;
                _refusals.All(RefusalKind.StartFailed, Sentences.StartsFail(failure, backoff.Failures, wait), wait > RetryMin ? wait : RetryMin, failure, effects);
            }

            return backoff.Until;
        }

        var decision = Decide(counts, now);
        var called = isAsked ? Math.Max(1, decision.Count) : decision.Count;
        called = called > 0 && counts.Live == 0 ? Math.Max(called, _spec.ActivationInstances) : called;
        var count = Math.Min(Math.Max(missing, called), _spec.MaxInstances - counts.Live - counts.Draining);
        if (count > 0)
        {
            _roster.Start(count, isAsked ? _queue.Count + 1 : _queue.Count, missing > called, now, effects);
        }

        _roster.Keeping.Initial = 0;

        return decision.LookAgainAfter is { } after ? now + after : MonotonicTime.Never;
    }

    /// <summary>Starts one for an invocation that is expected. Returns when that is to be.</summary>
    private MonotonicTime StartExpected(in InstanceCounts counts, MonotonicTime now, RevisionEffects effects)
    {
        if (counts.Live + counts.Draining > 0)
        {
            return MonotonicTime.Never;
        }

        if (_roster.StartAgainAt is not { } at)
        {
            return ReadAhead(counts, now, effects);
        }

        if (at > now)
        {
            return at;
        }

        if (_roster.Backoff.IsActive(now))
        {
            // It would fail again, for nobody.
            Idle.HasStartedAgain = true;
            return MonotonicTime.Never;
        }

        _roster.StartExpecting(now, effects);
        return MonotonicTime.Never;
    }

    /// <summary>Has the files read that a start would, where an invocation is likely and no instance is started for it. Returns when that is to be.</summary>
    private MonotonicTime ReadAhead(in InstanceCounts counts, MonotonicTime now, RevisionEffects effects)
    {
        if (counts.Frozen > 0 || Prefetch is not var (at, why))
        {
            return MonotonicTime.Never;
        }

        if (at > now)
        {
            return at;
        }

        Idle.HasPrefetched = true;
        effects.Prefetch = why;
        return MonotonicTime.Never;
    }

    private StartDecision Decide(in InstanceCounts counts, MonotonicTime now)
    {
        var excess = _roster.Excess(counts);
        var queued = Pressing + excess;
        if (queued == 0)
        {
            return default;
        }

        var startLeft = Learned.StartTime is { } startTime ? _table.MeanStartLeft(now, startTime) : TimeSpan.Zero;
        return StartCount.Decide(new StartDemand(
            queued, counts.Running - excess, _roster.Shares.Soft, _spec.MaxInstances - counts.Draining, counts.Ready, counts.Starting,
            Learned, _table.MeanRunningAge(now), startLeft));
    }

    private void Grant(in Waiter waiter, InstanceSlot slot, StartKind kind, MonotonicTime now, RevisionEffects effects)
    {
        var lease = slot.Take(_nextLease++, now);
        var parts = GrantTimes.Split(waiter.ArrivedAt, now, slot.ReadyAt, slot.StartTime, slot.LoadTime);
        effects.Grants.Add(new SlotGrant(
            waiter.Ticket, lease, kind, kind == StartKind.Cold ? slot.Cause : null, slot.Rung, parts.Queue, parts.Start, parts.Load)
        { RungReason = slot.RungReason });
    }

    private static MonotonicTime Earlier(MonotonicTime one, MonotonicTime other) => one < other ? one : other;
}
