using Dormouse.Core.Instances;
using Dormouse.Core.Usage;

namespace Dormouse.Core.Dispatch;

/// <summary>
/// What an engine knows of one instance: its state, who runs on it and its meter. It stays in the table after the instance is gone until every lease has
/// ended, so that each run is metered exactly once.
/// </summary>
internal sealed class InstanceSlot
{
    /// <summary>Leases that there is room for from the first; more is made as it is needed, once for each doubling.</summary>
    private const int LeasesFirst = 32;

    private Lease[] _leases;
    private int _leaseCount;
    private int _answerCount;
    private InstanceMeter _meter;

    /// <summary>Σ (start of the run − <see cref="ReadyAt"/>) over the leases, ticks: gives their mean age without a walk.</summary>
    private long _startedTicks;

    public InstanceSlot(InstanceId id, StartCause cause, int concurrency, MonotonicTime requestedAt, MonotonicTime startDeadline)
    {
        Id = id;
        Cause = cause;
        RequestedAt = requestedAt;
        WantedAt = requestedAt;
        AdmittedAt = requestedAt;
        StartDeadline = startDeadline;
        PressesAt = requestedAt + MachineArbiter.Turn;
        _leases = new Lease[Math.Min(concurrency, LeasesFirst)];
    }

    public InstanceId Id { get; }

    /// <summary>Why it was started, or thawed last.</summary>
    public StartCause Cause { get; private set; }

    public InstanceState State { get; private set; } = InstanceState.Starting;

    /// <summary>When it was asked for.</summary>
    public MonotonicTime RequestedAt { get; }

    /// <summary>When it was asked for, or thawed last.</summary>
    public MonotonicTime WantedAt { get; private set; }

    /// <summary>When the machine let its start begin: when it was asked for, unless it was held. Of a thaw when that was asked for.</summary>
    public MonotonicTime AdmittedAt { get; private set; }

    /// <summary>Never while the machine holds it.</summary>
    public MonotonicTime StartDeadline { get; private set; }

    public bool IsHeld { get; private set; }

    /// <summary>What the machine held it for; meaningful while <see cref="IsHeld"/>.</summary>
    public HoldReason HeldFor { get; private set; }

    /// <summary>It starts by being thawed.</summary>
    public bool IsThawing { get; private set; }

    /// <summary>Meaningful while it is frozen.</summary>
    public MonotonicTime FrozenAt { get; private set; }

    /// <summary>How often it was frozen or thawed: the order of what the driver is told.</summary>
    public long Turn { get; private set; }

    /// <summary>When it is next to press for room, while it is held.</summary>
    public MonotonicTime PressesAt { get; set; }

    public MonotonicTime ReadyAt { get; private set; }

    /// <summary>Number of the event that made it ready; what came before it waited for its start.</summary>
    public long ReadySequence { get; private set; }

    /// <summary>Since when nothing runs on it and no answer is read from it; meaningful while <see cref="IsIdle"/>.</summary>
    public MonotonicTime IdleSince { get; private set; }

    public string Address { get; private set; } = "";

    public Rung Rung { get; private set; }

    public RungReason? RungReason { get; private set; }

    public TimeSpan StartTime { get; private set; }

    public TimeSpan LoadTime { get; private set; }

    public long CompletedRuns { get; private set; }

    /// <summary>The arbiter was told that it may be taken back.</summary>
    public bool IsOffered { get; set; }

    /// <summary>It counts as provisioned: see <see cref="ProvisionedInstances"/>.</summary>
    public bool IsProvisioned { get; set; }

    /// <summary>Nothing of it is left.</summary>
    public bool IsGone { get; private set; }

    public bool IsLive => State is InstanceState.Starting or InstanceState.Ready;

    public bool IsIdle => State == InstanceState.Ready && !IsOccupied;

    /// <summary>Something runs on it or an answer is still to be read from it.</summary>
    public bool IsOccupied => _leaseCount + _answerCount > 0;

    public bool HasLeases => _leaseCount > 0;

    /// <param name="slots">Slots that an instance has now, at most those it was made with.</param>
    public bool HasFree(int slots) => State == InstanceState.Ready && _leaseCount < slots;

    /// <summary>Invocations that run on it; leases of a stopped or lost instance are void and do not count.</summary>
    public int Running => State is InstanceState.Ready or InstanceState.Draining ? _leaseCount : 0;

    public void Hold(HoldReason reason)
    {
        IsHeld = true;
        HeldFor = reason;
        StartDeadline = MonotonicTime.Never;
    }

    public void Admit(MonotonicTime at, MonotonicTime deadline)
    {
        IsHeld = false;
        AdmittedAt = at;
        StartDeadline = deadline;
    }

    public void BecomeReady(InstanceReady ready, MonotonicTime at, long sequence)
    {
        State = InstanceState.Ready;
        IsHeld = false;
        IsThawing = false;
        ReadyAt = at;
        ReadySequence = sequence;
        IdleSince = at;
        Address = ready.Address;
        Rung = ready.Rung;
        RungReason = ready.RungReason;
        StartTime = ready.StartTime;
        LoadTime = ready.LoadTime;
        _meter.Advance(at, 0);
    }

    /// <summary>It is idle and runs no more until it is thawed.</summary>
    public InstanceToFreeze Freeze(MonotonicTime at)
    {
        State = InstanceState.Frozen;
        FrozenAt = at;
        return new InstanceToFreeze(Id, ++Turn);
    }

    /// <summary>It is to serve again; ready when the driver says so.</summary>
    public InstanceToThaw Thaw(StartCause cause, MonotonicTime at, MonotonicTime deadline)
    {
        State = InstanceState.Starting;
        IsThawing = true;
        Cause = cause;
        (WantedAt, AdmittedAt, StartDeadline) = (at, at, deadline);
        return new InstanceToThaw(Id, ++Turn, cause);
    }

    /// <summary>Why it is stopped when it has drained.</summary>
    public StopReason DrainedFor { get; private set; }

    /// <summary>No new invocations; those that run go on and are metered on.</summary>
    public void Drain(StopReason reason)
    {
        State = InstanceState.Draining;
        DrainedFor = reason;
    }

    /// <summary>Killed, lost or failed: its leases are void and the meter stands still from now on.</summary>
    public void Stop(MonotonicTime at)
    {
        if (State is InstanceState.Ready or InstanceState.Draining)
        {
            _meter.Advance(at, _leaseCount);
        }

        State = InstanceState.Stopping;
    }

    public void Leave() => IsGone = true;

    /// <summary>Work may come from now on: while nothing does it is idle from here.</summary>
    public void Await(MonotonicTime at)
    {
        if (IsIdle)
        {
            IdleSince = at;
        }
    }

    /// <summary>Takes a free slot.</summary>
    public SlotLease Take(long leaseId, MonotonicTime at)
    {
        var virtualStart = _meter.Advance(at, _leaseCount);
        if (_leaseCount == _leases.Length)
        {
            Array.Resize(ref _leases, _leaseCount * 2);
        }

        _leases[_leaseCount++] = new Lease(leaseId, at, virtualStart);
        _startedTicks += (at - ReadyAt).Ticks;
        return new SlotLease(leaseId, Id, Address, Id.Number, IsProvisioned);
    }

    /// <summary>Ends a lease; false when it ended before.</summary>
    /// <param name="meteredMicroseconds">Its share of the busy time up to now, or up to when the instance was stopped or lost.</param>
    /// <param name="run">How long it held the slot, and beside how many.</param>
    public bool TryEnd(long leaseId, SlotEnd end, MonotonicTime at, out long meteredMicroseconds, out EndedRun run)
    {
        meteredMicroseconds = 0;
        run = default;
        var index = IndexOf(leaseId);
        if (index < 0)
        {
            return false;
        }

        var lease = _leases[index];
        var virtualEnd = State == InstanceState.Stopping ? _meter.Units : _meter.Advance(at, _leaseCount);
        meteredMicroseconds = InstanceMeter.Share(lease.VirtualStart, virtualEnd);
        run = new EndedRun(end, lease.StartedAt, at - lease.StartedAt, _leaseCount, IsFirst: CompletedRuns == 0);
        _leases[index] = _leases[--_leaseCount];
        _startedTicks -= (lease.StartedAt - ReadyAt).Ticks;
        CompletedRuns += end is SlotEnd.Completed or SlotEnd.Answering ? 1 : 0;
        _answerCount += end == SlotEnd.Answering ? 1 : 0;
        if (!IsOccupied)
        {
            IdleSince = at;
        }

        return true;
    }

    /// <summary>The last byte of an answer was read from it.</summary>
    public void AnswerLeft(MonotonicTime at)
    {
        if (--_answerCount == 0 && _leaseCount == 0)
        {
            IdleSince = at;
        }
    }

    /// <summary>Sum of the ages of what runs on it.</summary>
    public TimeSpan RunningAges(MonotonicTime at) => new(((at - ReadyAt).Ticks * _leaseCount) - _startedTicks);

    private int IndexOf(long leaseId)
    {
        for (var i = 0; i < _leaseCount; i++)
        {
            if (_leases[i].Id == leaseId)
            {
                return i;
            }
        }

        return -1;
    }

    private readonly record struct Lease(long Id, MonotonicTime StartedAt, long VirtualStart);
}
