using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Dispatch;

/// <summary>
/// The life of one revision's instances: started, ready, failed, lost, overdue, idle, evicted, stopped, gone. It knows nothing of who waits; the engine tells it how
/// many to start and whether callers are there. Each change of the number that starts or serves becomes a <see cref="ScalingChange"/>.
/// </summary>
internal sealed class InstanceRoster
{
    private readonly RevisionId _revision;
    private readonly RevisionSpec _spec;
    private readonly long _firstInstanceNumber;
    private readonly StartCauses _causes;
    private readonly InstanceEndings _endings;

    private long _asked;

    public InstanceRoster(RevisionId revision, RevisionSpec spec, long firstInstanceNumber, StartCause initialCause, LearnedTimes learned, long choiceSeed)
    {
        (_revision, _spec, _firstInstanceNumber, Learned) = (revision, spec, firstInstanceNumber, learned);
        _causes = new StartCauses(initialCause);
        _endings = new InstanceEndings(revision, Table, _causes, Backoff);
        Limit = new SlotLimit(spec, learned.Concurrency);
        Shares = new SlotShares(spec, Limit, Table, choiceSeed);
        (Keeping, Provisioned) = (new KeptInstances(spec), new ProvisionedInstances(spec.Provisioned));
        (KeepAlive, Holding) = (new KeepAlive(spec), new HeldInstances(spec));
        Frozen = new FrozenInstances(spec, Table, _causes, _endings, KeepAlive);
    }

    public InstanceTable Table { get; } = new();

    public StartBackoff Backoff { get; } = new();

    public LearnedTimes Learned { get; private set; }

    public SlotLimit Limit { get; }

    /// <summary>Slots of an instance now.</summary>
    public int Slots => Limit.Current;

    public SlotShares Shares { get; }

    /// <summary>Invocations for which others are to be started though they run: none once no traffic comes.</summary>
    public int Excess(in InstanceCounts counts) => IsDraining || IsRetired ? 0 : Shares.Excess(counts);

    public long NextNumber => _firstInstanceNumber + _asked;

    public TrafficState Traffic { get; } = new();

    public bool IsDraining => Traffic.IsDraining;

    public bool IsRetired => Traffic.IsRetired;

    /// <summary>What is to be kept while the revision carries traffic.</summary>
    public KeptInstances Keeping { get; }

    /// <summary>Instances kept without work.</summary>
    public int Kept => IsRetired ? 0 : IsDraining ? Math.Min(Traffic.Standby.Instances, _spec.MaxInstances) : Keeping.Count;

    /// <summary>Those of <see cref="Kept"/> that are paid for whether they run or not.</summary>
    public ProvisionedInstances Provisioned { get; }

    public KeepAlive KeepAlive { get; }

    /// <summary>What is held beyond <see cref="Kept"/>, and what the machine may take back.</summary>
    public HeldInstances Holding { get; }

    /// <summary>What is kept frozen of those that were idle for their keep-alive.</summary>
    public FrozenInstances Frozen { get; }

    /// <summary>Instances that are not stopped for idleness.</summary>
    private int Held => IsDraining || IsRetired ? Kept : Math.Max(Kept, Holding.ToHold);

    /// <summary>When an instance is to be started for an expected invocation unless one serves then; null = not in this idle time.</summary>
    public MonotonicTime? StartAgainAt => IsDraining || IsRetired ? null : KeepAlive.StartAgainAt(Learned.StartTime);

    /// <summary>Takes an event about one instance. Those that do not fit its state lost a race and are ignored.</summary>
    public void Apply(InstanceSlot slot, in RevisionEvent change, long sequence, MonotonicTime now, RevisionEffects effects)
    {
        var isStarting = slot.State == InstanceState.Starting;
        switch (change.Kind)
        {
            case RevisionEventKind.InstanceHeld when isStarting && !slot.IsThawing:
                RoomPressure.Hold(slot, change.Hold, Table, _endings, now, effects);
                break;
            case RevisionEventKind.InstanceAdmitted when isStarting && !slot.IsThawing:
                slot.Admit(now, now + _spec.StartTimeout);
                break;
            case RevisionEventKind.InstanceReady when isStarting && change.Ready is { } ready:
                if (!slot.IsThawing)
                {
                    Learned = Learned.WithStart(now - slot.AdmittedAt);
                    Backoff.BecameReady(slot.RequestedAt);
                }

                slot.BecomeReady(Frozen.WithReason(slot, ready), now, sequence);
                Holding.HasRoom();
                _causes.BecameReady();
                break;
            case RevisionEventKind.InstanceFailed or RevisionEventKind.InstanceLost when slot.IsThawing && isStarting:
                Frozen.ThawFailed(slot, change.Failure?.Reason ?? change.Loss?.Detail ?? "", now, effects);
                break;
            case RevisionEventKind.FreezeRefused:
                Frozen.Refused(slot, now, effects);
                break;
            case RevisionEventKind.InstanceFailed when isStarting && change.Failure is { } failure:
                _endings.StartFailed(slot, failure, now, effects);
                break;
            case RevisionEventKind.InstanceLost when change.Loss is { } loss:
                _endings.Lost(slot, loss, now, effects);
                break;
            case RevisionEventKind.AnswerLeft:
                slot.AnswerLeft(now);
                InstanceEndings.StopWhenDrained(slot, now, effects);
                break;
            case RevisionEventKind.InstanceDeclined when isStarting && !slot.IsThawing:
                Table.Remove(slot);
                var isSpare = slot.Cause == StartCause.Burst;
                if (isSpare)
                {
                    Holding.NoRoom(now);
                }
                effects.Prefetch = isSpare ? null : $"there was no room to start an instance for it: {KeepAlive.Plan(Learned.StartTime).Why}";
                _endings.Changed(Table.Counts().Live + 1, Table.Counts().Live, isSpare ? Sentences.NoRoomForSpare() : Sentences.NoRoomForExpected(), now, effects);
                break;
            case RevisionEventKind.InstanceGone:
                _endings.Lost(slot, new InstanceLoss(InstanceLossKind.Crashed, "it left without a word"), now, effects);
                slot.Leave();
                Table.RemoveWhenDone(slot);
                break;
            case RevisionEventKind.Evict or RevisionEventKind.GiveWay:
                Evict(slot, change.Kind == RevisionEventKind.GiveWay, now, effects);
                break;
        }
    }

    /// <summary>A run ended and its lease is closed: draws the consequences for its instance.</summary>
    public void RunEnded(InstanceSlot slot, in EndedRun run, MonotonicTime now, RevisionEffects effects)
    {
        if (slot.State == InstanceState.Stopping)
        {
            Table.RemoveWhenDone(slot);
            return;
        }

        LimitBy(run, now, effects);
        switch (run.End)
        {
            case SlotEnd.Completed:
            case SlotEnd.Answering:
                Learned = Learned.WithRun(run.Time);
                Backoff.CompletedRun(slot.RequestedAt);
                break;
            case SlotEnd.TimedOut:
                _endings.Kill(slot, StopReason.TimedOut, Sentences.RunTimedOut(slot.Id, _spec.Timeout), now, effects);
                break;
            case SlotEnd.Broken when slot.State == InstanceState.Ready:
                _causes.Ended(StartCause.Crash);
                _endings.Drain(slot, StopReason.Suspect, Sentences.Suspect(slot.Id), now, effects);
                break;
        }

        InstanceEndings.StopWhenDrained(slot, now, effects);
    }

    private void LimitBy(in EndedRun run, MonotonicTime now, RevisionEffects effects)
    {
        if (Limit.Ended(run, now) is { } change)
        {
            var live = Table.Counts().Live;
            _endings.Changed(live, live, Sentences.LimitChanged(change), now, effects);
        }

        if (Limit.State is { } state)
        {
            Learned = Learned with { Concurrency = state };
        }
    }

    /// <summary>Asks for instances.</summary>
    /// <param name="count">At least 1; the caller has bounded it.</param>
    /// <param name="queued">Invocations that wait; tells why.</param>
    /// <param name="isToKeep">They are asked for because they are to be kept, not for callers.</param>
    public void Start(int count, int queued, bool isToKeep, MonotonicTime now, RevisionEffects effects)
    {
        var before = Table.Counts();
        var cause = StartCause.Burst;
        for (var i = 0; i < count; i++)
        {
            cause = _causes.Next(before.Live == 0);
            Ask(cause, false, now, effects);
        }

        var reason = isToKeep ? IsDraining ? Sentences.StartedForStandby(Traffic.Standby, before.Live) : Keeping.Reason(before.Live)
            : (Shares.IsUnlimited && before.Live > 0 ? Sentences.StartedForExcess(queued, before, Shares.Soft) : Sentences.Started(queued, before, Slots, cause)) + (before.Live == 0 && _spec.ActivationInstances > 1 ? $", activation_instances is {_spec.ActivationInstances}" : "");
        _endings.Changed(before.Live, before.Live + count, reason, now, effects);
    }

    /// <summary>Thaws what can be thawed of what is wanted now.</summary>
    /// <param name="queued">Invocations that wait.</param>
    /// <param name="isAsked">One is wanted though nobody waits.</param>
    public void Thaw(int queued, bool isAsked, MonotonicTime now, RevisionEffects effects)
    {
        if (Table.Counts() is { Frozen: > 0 } counts)
        {
            var excess = Excess(counts);
            var toServe = FrozenInstances.Wanted(counts with { Running = counts.Running - excess }, queued + excess, isAsked, Shares.Soft);
            var toKeep = Kept - counts.Live;
            Frozen.Thaw(Math.Max(toServe, toKeep), toServe >= toKeep ? Sentences.Started(Math.Max(1, queued), counts, Slots, StartCause.Idle) : Keeping.Reason(counts.Live), now, effects);
        }
    }

    /// <summary>Asks for an instance for which nobody waits yet.</summary>
    public void StartExpecting(MonotonicTime now, RevisionEffects effects)
    {
        KeepAlive.Memory.HasStartedAgain = true;
        var quiet = KeepAlive.Memory.QuietSince is { } since ? now - since : TimeSpan.Zero;
        var reason = Sentences.StartedForExpected(quiet, KeepAlive.Plan(Learned.StartTime));
        if (Frozen.Thaw(1, reason, now, effects) == 0)
        {
            Ask(StartCause.Idle, true, now, effects);
            _endings.Changed(0, 1, reason, now, effects);
        }
    }

    /// <summary>Asks for instances that the load or spare capacity ask for, where nothing else needs the room. Returns when to look again.</summary>
    public MonotonicTime StartSpare(MonotonicTime now, RevisionEffects effects)
    {
        if (!Holding.IsWanted || IsDraining || IsRetired)
        {
            return MonotonicTime.Never;
        }

        var before = Table.Counts();
        var missing = Math.Min(Holding.ToStart, _spec.MaxInstances - before.Draining) - before.Live;
        if (before.Live > 0 && missing > 0 && before.Frozen > 0)
        {
            missing -= Frozen.Thaw(missing, Holding.Reason(before, Shares.Soft), now, effects);
            before = Table.Counts();
        }

        if (before.Live == 0 || missing <= 0)
        {
            return Holding.LooksAt;
        }

        var notBefore = Backoff.IsActive(now) && Backoff.Until > Holding.PausedUntil ? Backoff.Until : Holding.PausedUntil;
        if (notBefore > now)
        {
            return notBefore < Holding.LooksAt ? notBefore : Holding.LooksAt;
        }

        for (var i = 0; i < missing; i++)
        {
            Ask(StartCause.Burst, true, now, effects);
        }

        _endings.Changed(before.Live, before.Live + missing, Holding.Reason(before, Shares.Soft), now, effects);
        return Holding.LooksAt;
    }

    private void Ask(StartCause cause, bool isExpecting, MonotonicTime now, RevisionEffects effects)
    {
        var slot = new InstanceSlot(new InstanceId(_revision, NextNumber), cause, _spec.Slots, now, now + _spec.StartTimeout);
        _asked++;
        Table.Add(slot);
        effects.Starts.Add(new InstanceToStart(slot.Id, cause, isExpecting));
    }

    /// <summary>Stops starts that took too long; the next one waits as after a failure. True when there were some and nothing is left that serves or will serve.</summary>
    public bool StopOverdueStarts(MonotonicTime now, RevisionEffects effects)
    {
        var isAnyOverdue = false;
        for (var i = 0; i < Table.Count; i++)
        {
            var slot = Table[i];
            if (slot.State != InstanceState.Starting || slot.StartDeadline > now)
            {
                continue;
            }

            if (slot.IsThawing)
            {
                Frozen.ThawTimedOut(slot, now, effects);
                continue;
            }

            isAnyOverdue = true;
            _endings.Kill(slot, StopReason.StartTimedOut, Sentences.StartTimedOut(slot.Id, _spec.StartTimeout), now, effects);
            Backoff.StartFailed(new StartFailure(StartFailureKind.Crash, Sentences.StartTooSlow(_spec.StartTimeout)), slot.RequestedAt, now);
        }

        return isAnyOverdue && Table.Counts().Live == 0;
    }

    /// <summary>Freezes or stops what was idle for the keep-alive, longest idle first, down to what is kept, and stops what was frozen long enough.</summary>
    public void StopIdle(MonotonicTime now, RevisionEffects effects)
    {
        (StopReason, string)? all = IsRetired ? (StopReason.Retired, Sentences.Retired()) : IsDraining ? (StopReason.Requested, Sentences.Drained(Traffic.DrainReason)) : null;
        Frozen.Stop(all, now, effects);
        while (Table.LongestIdle() is { } slot && Table.Counts() is var counts && counts.Ready > Held && IdleEnds.Of(slot, counts.Ready == 1, Traffic, KeepAlive, Learned.StartTime) is var (end, plan) && end <= now)
        {
            _causes.Stopped();
            var (reason, sentence) = all ?? (StopReason.Idle, Sentences.Idle(now - slot.IdleSince, plan));
            if (all is not null || !Frozen.TryFreeze(slot, sentence, now, effects))
            {
                _endings.Stop(slot, reason, sentence, now, effects);
            }
        }
    }

    /// <summary>Those that serve take no more: idle ones are stopped, others when they have finished.</summary>
    public void DrainAll(MonotonicTime now, RevisionEffects effects)
    {
        _causes.Stopped();
        Frozen.Stop((StopReason.Requested, Sentences.Drained(DrainReason.Stopped)), now, effects);
        for (var i = 0; i < Table.Count; i++)
        {
            var slot = Table[i];
            if (slot.IsIdle)
            {
                _endings.Stop(slot, StopReason.Requested, Sentences.Drained(DrainReason.Stopped), now, effects);
            }
            else if (slot.State == InstanceState.Ready)
            {
                _endings.Drain(slot, StopReason.Requested, Sentences.Drained(DrainReason.Stopped), now, effects);
            }
        }
    }

    /// <summary>Nobody waits: takes back starts that the machine has no room for, and every start once no traffic comes.</summary>
    public void StopNeedlessStarts(MonotonicTime now, RevisionEffects effects)
    {
        for (var i = 0; i < Table.Count; i++)
        {
            var slot = Table[i];
            if (slot.State == InstanceState.Starting && (slot.IsHeld || IsDraining || IsRetired) && Table.Counts().Live > Kept)
            {
                _endings.Stop(slot, IsRetired ? StopReason.Retired : StopReason.Requested, Sentences.NotNeeded(), now, effects);
            }
        }
    }

    /// <summary>The revision is new.</summary>
    public void Begin() => Keeping.Initial = _asked == 0 ? _spec.InitialInstances : 0;

    /// <summary>The revision has traffic again: what was kept without any is idle from now on.</summary>
    public void Resume(MonotonicTime now)
    {
        if (IsDraining)
        {
            Table.Await(now);
        }

        Traffic.Resume();
    }

    /// <summary>Counts anew which instances are provisioned; to be called after every change.</summary>
    public void MarkProvisioned() => Provisioned.Mark(Table, !IsDraining && !IsRetired);

    /// <summary>Tells which instances may be taken back and which no longer. Returns when an instance needs a look next.</summary>
    public MonotonicTime TellIdle(RevisionEffects effects)
    {
        var wake = IdleEnds.Offer(Table, new IdleBounds(Kept, Held, Holding.LowersAt, _spec.FrozenFor), Traffic, KeepAlive, Learned.StartTime, effects);
        effects.IdleWorth = effects.BecameIdle.Count == 0 ? 0 : IdleWorth.Of(KeepAlive.Memory.Gaps, Learned.StartTime, _spec.MemoryMib);
        return wake;
    }

    /// <param name="mayBeBusy">It gives way also when something runs on it.</param>
    private void Evict(InstanceSlot slot, bool mayBeBusy, MonotonicTime now, RevisionEffects effects)
    {
        if (slot.State == InstanceState.Frozen)
        {
            _causes.Ended(StartCause.Eviction);
            _endings.Stop(slot, StopReason.Evicted, Sentences.Evicted(now - slot.IdleSince), now, effects);
        }
        else if (slot.State == InstanceState.Ready && (slot.IsIdle || mayBeBusy) && !slot.IsProvisioned && Table.Counts().Ready > Kept)
        {
            _causes.Ended(StartCause.Eviction);
            Holding.NoRoom(now);
            if (slot.IsIdle)
            {
                _endings.Stop(slot, StopReason.Evicted, Sentences.Evicted(now - slot.IdleSince), now, effects);
                return;
            }

            _endings.Drain(slot, StopReason.Evicted, Sentences.GaveWay(slot.Running), now, effects);
        }
        else if (slot.State == InstanceState.Ready || (slot.IsThawing && slot.State == InstanceState.Starting))
        {
            // It got work in the meantime, or must be kept: the arbiter must look for another.
            slot.IsOffered = false;
            effects.BecameBusy.Add(slot.Id);
        }
    }
}
