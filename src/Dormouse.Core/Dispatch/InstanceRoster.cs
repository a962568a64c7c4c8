using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Dispatch;

/// <summary>
/// The life of one revision's instances: started, ready, failed, lost, overdue, idle, evicted, stopped, gone. It knows nothing of who waits; the engine tells it how
/// many to start and whether callers are there. Each change of the number that starts or serves becomes a <see cref="ScalingChange"/>.
/// </summary>
internal sealed class InstanceRoster(RevisionId revision, RevisionSpec spec, long firstInstanceNumber, StartCause initialCause, LearnedTimes learned)
{
    private readonly StartCauses _causes = new(initialCause);

    private long _asked;

    public InstanceTable Table { get; } = new();

    public StartBackoff Backoff { get; } = new();

    public LearnedTimes Learned { get; private set; } = learned;

    public SlotLimit Limit { get; } = new(spec, learned.Concurrency);

    /// <summary>Slots of an instance now.</summary>
    public int Slots => Limit.Current;

    public long NextNumber => firstInstanceNumber + _asked;

    public TrafficState Traffic { get; } = new();

    public bool IsDraining => Traffic.IsDraining;

    public bool IsRetired => Traffic.IsRetired;

    /// <summary>What is to be kept while the revision carries traffic.</summary>
    public KeptInstances Keeping { get; } = new(spec);

    /// <summary>Instances kept without work.</summary>
    public int Kept => IsRetired ? 0 : IsDraining ? Math.Min(Traffic.Standby.Instances, spec.MaxInstances) : Keeping.Count;

    /// <summary>Those of <see cref="Kept"/> that are paid for whether they run or not.</summary>
    public ProvisionedInstances Provisioned { get; } = new(spec.Provisioned);

    public KeepAlive KeepAlive { get; } = new(spec);

    /// <summary>What is held beyond <see cref="Kept"/>, and what the machine may take back.</summary>
    public HeldInstances Holding { get; } = new(spec);

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
            case RevisionEventKind.InstanceHeld when isStarting:
                slot.Hold();
                break;
            case RevisionEventKind.InstanceAdmitted when isStarting:
                slot.Admit(now, now + spec.StartTimeout);
                break;
            case RevisionEventKind.InstanceReady when isStarting && change.Ready is { } ready:
                slot.BecomeReady(ready, now, sequence);
                Learned = Learned.WithStart(now - slot.AdmittedAt);
                Backoff.BecameReady(slot.RequestedAt);
                Holding.HasRoom();
                _causes.BecameReady();
                break;
            case RevisionEventKind.InstanceFailed when isStarting && change.Failure is { } failure:
                StartFailed(slot, failure, now, effects);
                break;
            case RevisionEventKind.InstanceLost when change.Loss is { } loss:
                Lost(slot, loss, now, effects);
                break;
            case RevisionEventKind.AnswerLeft:
                slot.AnswerLeft(now);
                StopWhenDrained(slot, now, effects);
                break;
            case RevisionEventKind.InstanceDeclined when isStarting:
                Table.Remove(slot);
                var isSpare = slot.Cause == StartCause.Burst;
                if (isSpare)
                {
                    Holding.NoRoom(now);
                }

                Changed(Table.Counts().Live + 1, Table.Counts().Live, isSpare ? Sentences.NoRoomForSpare() : Sentences.NoRoomForExpected(), now, effects);
                break;
            case RevisionEventKind.InstanceGone:
                Lost(slot, new InstanceLoss(InstanceLossKind.Crashed, "it left without a word"), now, effects);
                slot.Leave();
                Table.RemoveWhenDone(slot);
                break;
            case RevisionEventKind.Evict:
                Evict(slot, now, effects);
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
                Kill(slot, StopReason.TimedOut, Sentences.RunTimedOut(slot.Id, spec.Timeout), now, effects);
                break;
            case SlotEnd.Broken when slot.State == InstanceState.Ready:
                var before = Table.Counts().Live;
                slot.Drain(StopReason.Suspect);
                _causes.Ended(StartCause.Crash);
                Changed(before, before - 1, Sentences.Suspect(slot.Id), now, effects);
                break;
        }

        StopWhenDrained(slot, now, effects);
    }

    private void LimitBy(in EndedRun run, MonotonicTime now, RevisionEffects effects)
    {
        if (Limit.Ended(run, now) is { } change)
        {
            var live = Table.Counts().Live;
            Changed(live, live, Sentences.LimitChanged(change), now, effects);
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
            : Sentences.Started(queued, before, Slots, cause) + (before.Live == 0 && spec.ActivationInstances > 1 ? $", activation_instances is {spec.ActivationInstances}" : "");
        Changed(before.Live, before.Live + count, reason, now, effects);
    }

    /// <summary>Asks for an instance for which nobody waits yet.</summary>
    public void StartExpecting(MonotonicTime now, RevisionEffects effects)
    {
        KeepAlive.Memory.HasStartedAgain = true;
        Ask(StartCause.Idle, true, now, effects);
        var quiet = KeepAlive.Memory.QuietSince is { } since ? now - since : TimeSpan.Zero;
        Changed(0, 1, Sentences.StartedForExpected(quiet, KeepAlive.Plan(Learned.StartTime)), now, effects);
    }

    /// <summary>Asks for instances that the load or spare capacity ask for, where nothing else needs the room. Returns when to look again.</summary>
    public MonotonicTime StartSpare(MonotonicTime now, RevisionEffects effects)
    {
        if (!Holding.IsWanted || IsDraining || IsRetired)
        {
            return MonotonicTime.Never;
        }

        var before = Table.Counts();
        var missing = Math.Min(Holding.ToStart, spec.MaxInstances - before.Draining) - before.Live;
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

        Changed(before.Live, before.Live + missing, Holding.Reason(before, Slots), now, effects);
        return Holding.LooksAt;
    }

    private void Ask(StartCause cause, bool isExpecting, MonotonicTime now, RevisionEffects effects)
    {
        var slot = new InstanceSlot(new InstanceId(revision, NextNumber), cause, spec.Slots, now, now + spec.StartTimeout);
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
            if (slot.State == InstanceState.Starting && slot.StartDeadline <= now)
            {
                isAnyOverdue = true;
                Kill(slot, StopReason.StartTimedOut, Sentences.StartTimedOut(slot.Id, spec.StartTimeout), now, effects);
                Backoff.StartFailed(new StartFailure(StartFailureKind.Crash, Sentences.StartTooSlow(spec.StartTimeout)), slot.RequestedAt, now);
            }
        }

        return isAnyOverdue && Table.Counts().Live == 0;
    }

    /// <summary>Stops what was idle for the keep-alive, longest idle first, down to what is kept.</summary>
    public void StopIdle(MonotonicTime now, RevisionEffects effects)
    {
        while (Table.LongestIdle() is { } slot && Table.Counts() is var counts && counts.Ready > Held && IdleEnds.Of(slot, counts.Ready == 1, Traffic, KeepAlive, Learned.StartTime) is var (end, plan) && end <= now)
        {
            _causes.Stopped();
            var (reason, sentence) = IsRetired ? (StopReason.Retired, Sentences.Retired())
                : IsDraining ? (StopReason.Requested, Sentences.Drained(Traffic.DrainReason))
                : (StopReason.Idle, Sentences.Idle(now - slot.IdleSince, plan));
            Stop(slot, reason, sentence, now, effects);
        }
    }

    /// <summary>Those that serve take no more: idle ones are stopped, others when they have finished.</summary>
    public void DrainAll(MonotonicTime now, RevisionEffects effects)
    {
        _causes.Stopped();
        for (var i = 0; i < Table.Count; i++)
        {
            var slot = Table[i];
            if (slot.IsIdle)
            {
                Stop(slot, StopReason.Requested, Sentences.Drained(DrainReason.Stopped), now, effects);
            }
            else if (slot.State == InstanceState.Ready)
            {
                var before = Table.Counts().Live;
                slot.Drain(StopReason.Requested);
                Changed(before, before - 1, Sentences.Drained(DrainReason.Stopped), now, effects);
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
                Stop(slot, IsRetired ? StopReason.Retired : StopReason.Requested, Sentences.NotNeeded(), now, effects);
            }
        }
    }

    /// <summary>A schedule asks for another number. A window that opens starts a stopped endpoint again, as a call does.</summary>
    public void FloorChanged(in InstanceFloor floor)
    {
        if (Traffic.IsStopped && floor.Instances > Keeping.Floor.Instances)
        {
            Traffic.Resume();
        }

        Keeping.Floor = floor;
    }

    /// <summary>The revision is new.</summary>
    public void Begin() => Keeping.Initial = _asked == 0 ? spec.InitialInstances : 0;

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
        var wake = IdleEnds.Offer(Table, new IdleBounds(Kept, Held, Holding.LowersAt), Traffic, KeepAlive, Learned.StartTime, effects);
        effects.IdleWorth = effects.BecameIdle.Count == 0 ? 0 : IdleWorth.Of(KeepAlive.Memory.Gaps, Learned.StartTime, spec.MemoryMib);
        return wake;
    }

    private void StartFailed(InstanceSlot slot, StartFailure failure, MonotonicTime now, RevisionEffects effects)
    {
        var before = Table.Counts().Live;
        slot.Stop(now);
        Backoff.StartFailed(failure, slot.RequestedAt, now);
        Changed(before, before - 1, Sentences.StartFailed(slot.Id, failure), now, effects);
    }

    /// <summary>An instance ended by itself; nothing to do when it had been stopped before.</summary>
    private void Lost(InstanceSlot slot, InstanceLoss loss, MonotonicTime now, RevisionEffects effects)
    {
        switch (slot.State)
        {
            case InstanceState.Starting:
                StartFailed(slot, new StartFailure(StartFailureKind.Crash, loss.Detail), now, effects);
                break;
            case InstanceState.Ready:
                var before = Table.Counts().Live;
                _causes.Ended(StartCause.Crash);
                Backoff.Lost(loss, slot.RequestedAt, now - slot.ReadyAt, slot.CompletedRuns, now);
                slot.Stop(now);
                Changed(before, before - 1, Sentences.Lost(slot.Id, loss), now, effects);
                break;
            case InstanceState.Draining:
                // It was missed when it began to drain.
                Backoff.Lost(loss, slot.RequestedAt, now - slot.ReadyAt, slot.CompletedRuns, now);
                slot.Stop(now);
                break;
            case InstanceState.Stopping:
                break;
        }
    }

    private void Evict(InstanceSlot slot, MonotonicTime now, RevisionEffects effects)
    {
        if (slot.IsIdle && !slot.IsProvisioned && Table.Counts().Ready > Kept)
        {
            _causes.Ended(StartCause.Eviction);
            Holding.NoRoom(now);
            Stop(slot, StopReason.Evicted, Sentences.Evicted(now - slot.IdleSince), now, effects);
        }
        else if (slot.State == InstanceState.Ready)
        {
            // It got work in the meantime, or must be kept: the arbiter must look for another.
            slot.IsOffered = false;
            effects.BecameBusy.Add(slot.Id);
        }
    }

    private static void StopWhenDrained(InstanceSlot slot, MonotonicTime now, RevisionEffects effects)
    {
        if (slot.State == InstanceState.Draining && !slot.IsOccupied)
        {
            slot.Stop(now);
            effects.Stops.Add(new InstanceToStop(slot.Id, slot.DrainedFor));
        }
    }

    /// <summary>Ends an instance that misbehaves; what runs on it is lost and its place may be filled.</summary>
    private void Kill(InstanceSlot slot, StopReason reason, string sentence, MonotonicTime now, RevisionEffects effects)
    {
        if (slot.IsLive)
        {
            _causes.Ended(StartCause.Crash);
            Stop(slot, reason, sentence, now, effects);
            return;
        }

        slot.Stop(now);
        effects.Stops.Add(new InstanceToStop(slot.Id, reason));
    }

    /// <summary>Ends an instance that starts or serves.</summary>
    private void Stop(InstanceSlot slot, StopReason reason, string sentence, MonotonicTime now, RevisionEffects effects)
    {
        var before = Table.Counts().Live;
        slot.Stop(now);
        effects.Stops.Add(new InstanceToStop(slot.Id, reason));
        Changed(before, before - 1, sentence, now, effects);
    }

    private void Changed(int from, int to, string reason, MonotonicTime now, RevisionEffects effects) =>
        effects.Changes.Add(new ScalingChange(now, revision.Number, from, to, reason));
}
