using Dormouse.Core.Instances;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Dispatch;

/// <summary>Permission to run one invocation on an instance, with the address to call and the epoch that makes an old lease harmless.</summary>
/// <param name="Id">Unique per engine.</param>
/// <param name="Address">Unix socket path of the instance.</param>
/// <param name="Epoch">The instance's number; an end for another epoch is ignored.</param>
/// <param name="IsProvisioned">The instance counted as provisioned when the slot was given: the whole run has that price.</param>
public readonly record struct SlotLease(long Id, InstanceId Instance, string Address, long Epoch, bool IsProvisioned = false);

/// <summary>What an invocation waited for.</summary>
public enum StartKind
{
    /// <summary>A slot was free.</summary>
    Warm,

    /// <summary>It waited for a slot of an instance that was already ready when it came.</summary>
    Queued,

    /// <summary>It waited for an instance to start.</summary>
    Cold,

    /// <summary>It got no slot: the revision's overflow address ran it. No engine grants this.</summary>
    Overflow,
}

/// <summary>Why an instance was started.</summary>
public enum StartCause
{
    /// <summary>The revision never had one in this run of the server and its endpoint had none before.</summary>
    First,

    /// <summary>The last one had been stopped for idleness (or by the user).</summary>
    Idle,

    /// <summary>Those that run are all busy.</summary>
    Burst,

    /// <summary>The revision took over traffic.</summary>
    Rollout,

    /// <summary>Replaces one that crashed or was killed.</summary>
    Crash,

    /// <summary>Replaces one that the machine took back.</summary>
    Eviction,
}

/// <summary>A waiting invocation got a slot.</summary>
/// <param name="Queue">The rest of its wait: Queue + Start + Load = the whole wait since it arrived.</param>
/// <param name="Start">Part of the wait that went into starting the instance it got (at most the instance's start time).</param>
/// <param name="Load">Part of the wait that went into loading the model (at most the instance's load time).</param>
/// <param name="Cause">Set when <paramref name="Kind"/> is Cold.</param>
public readonly record struct SlotGrant(long Ticket, SlotLease Lease, StartKind Kind, StartCause? Cause, Rung Rung, TimeSpan Queue, TimeSpan Start, TimeSpan Load)
{
    /// <summary>Why its instance's start took no better rung; null = it took the best.</summary>
    public RungReason? RungReason { get; init; }
}

/// <summary>Why an invocation gets no slot.</summary>
public enum RefusalKind
{
    /// <summary>The queue is full, by count or bytes.</summary>
    QueueFull,

    /// <summary>It waited as long as its queue deadline allows while instances were busy.</summary>
    QueueTimeout,

    /// <summary>It waited as long as its queue deadline or the start time-out allows and no instance became ready.</summary>
    StartTimeout,

    /// <summary>Starts fail; the reason is the last one's.</summary>
    StartFailed,

    /// <summary>The machine has no room (memory, reserved cores, starts in a time) to start an instance and none came free in time.</summary>
    NoCapacity,

    /// <summary>Its caller's own deadline is reached or would be before a slot is free.</summary>
    CallerDeadline,

    /// <summary>The endpoint is deleted or the server stops.</summary>
    Retired,
}

/// <summary>Whether an invocation that gets no slot is to be sent to the revision's overflow address. Only for those that can (<see cref="CallerWishes.CanOverflow"/>).</summary>
public enum OverflowAdvice
{
    /// <summary>No: it could not run elsewhere either, or has no address to go to.</summary>
    None,

    /// <summary>Yes, in place of the refusal.</summary>
    InPlaceOfRefusal,

    /// <summary>Yes, in place of waiting on. When nobody takes it, it may come again as one that cannot overflow.</summary>
    InPlaceOfWaiting,
}

/// <param name="Detail">A sentence with the numbers for the caller.</param>
/// <param name="RetryAfter">When trying again makes sense; zero = it does not.</param>
public readonly record struct SlotRefusal(
    long Ticket, RefusalKind Kind, string Detail, TimeSpan RetryAfter, StartFailure? Failure, OverflowAdvice Overflow = OverflowAdvice.None);

/// <summary>The metered share of a run that ended: V(end) − V(start) of its instance, µs.</summary>
public readonly record struct MeteredRun(SlotLease Lease, long MeteredMicroseconds);

/// <param name="IsExpecting">Nobody waits for it: it is started for invocations that may come, and only where nothing else needs the room. The driver
/// answers with <see cref="RevisionEventKind.InstanceDeclined"/> when there is none.</param>
public readonly record struct InstanceToStart(InstanceId Instance, StartCause Cause, bool IsExpecting = false);

/// <summary>
/// An instance to end. It may be one that the machine's arbiter has not admitted yet: then its request is taken back
/// (<see cref="MachineArbiter.Released"/>) and the engine gets <see cref="RevisionEventKind.InstanceGone"/> without a driver's help.
/// </summary>
public readonly record struct InstanceToStop(InstanceId Instance, StopReason Reason);

/// <summary>An instance to freeze.</summary>
/// <param name="Turn">Grows with each freeze and thaw of one instance. Of two that reach the driver in the wrong order the larger counts.</param>
public readonly record struct InstanceToFreeze(InstanceId Instance, long Turn);

/// <summary>A frozen instance to thaw.</summary>
/// <param name="Turn">See <see cref="InstanceToFreeze"/>.</param>
/// <param name="Cause">Why it is wanted.</param>
public readonly record struct InstanceToThaw(InstanceId Instance, long Turn, StartCause Cause);

/// <summary>Effects of one <see cref="RevisionEngine.Apply"/>, in lists that are cleared and used again. Order between lists does not matter.</summary>
public sealed class RevisionEffects
{
    public List<SlotGrant> Grants { get; } = [];

    public List<SlotRefusal> Refusals { get; } = [];

    public List<MeteredRun> Metered { get; } = [];

    /// <summary>To be admitted by the machine's arbiter, then started.</summary>
    public List<InstanceToStart> Starts { get; } = [];

    public List<InstanceToStop> Stops { get; } = [];

    /// <summary>Idle instances that are to run no more and keep their memory. The driver answers only when that cannot be: <see cref="RevisionEventKind.FreezeRefused"/>.</summary>
    public List<InstanceToFreeze> Freezes { get; } = [];

    /// <summary>
    /// Frozen instances that are to serve again: the driver answers with <see cref="RevisionEventKind.InstanceReady"/>, or with
    /// <see cref="RevisionEventKind.InstanceFailed"/> or <see cref="RevisionEventKind.InstanceLost"/>.
    /// </summary>
    public List<InstanceToThaw> Thaws { get; } = [];

    public List<ScalingChange> Changes { get; } = [];

    /// <summary>
    /// Ready instances that have no work from now on and may be taken back: for <see cref="MachineArbiter.Idle"/>. Those that
    /// <see cref="Endpoints.RevisionSpec.MinInstances"/> keeps and those that count as provisioned are never among them.
    /// </summary>
    public List<InstanceId> BecameIdle { get; } = [];

    /// <summary>What each of <see cref="BecameIdle"/> is worth (<see cref="Scaling.IdleWorth"/>); 0 when there are none.</summary>
    public double IdleWorth { get; set; }

    /// <summary>Instances that may no longer be taken back: for <see cref="MachineArbiter.Busy"/>. One that is stopped is not named.</summary>
    public List<InstanceId> BecameBusy { get; } = [];

    /// <summary>A start that has waited too long for room, nothing of the revision serving: for <see cref="MachineArbiter.Press"/>; null = none has.</summary>
    public InstanceId? Pressing { get; set; }

    /// <summary>
    /// Answer to <see cref="RevisionEventKind.MeterProvisioned"/>: instance time of provisioned capacity since the last answer, µs, whether anything ran or not; 0 with every other event.
    /// </summary>
    public long ProvisionedMicroseconds { get; set; }

    /// <summary>Why the files that a start reads are worth reading into memory now, though nothing is started; null = they are not.</summary>
    public string? Prefetch { get; set; }

    /// <summary>When the engine wants <see cref="RevisionEventKind.Woken"/> next; replaces an earlier wish. <see cref="MonotonicTime.Never"/> = not at all.</summary>
    public MonotonicTime WakeAt { get; set; } = MonotonicTime.Never;

    /// <summary>Slots of an instance now. One that has as many taken, or more since the limit fell, is given none. Every grant of this event was given by it.</summary>
    public int SlotsPerInstance { get; set; }

    public void Clear()
    {
        Grants.Clear();
        Refusals.Clear();
        Metered.Clear();
        Starts.Clear();
        Stops.Clear();
        Freezes.Clear();
        Thaws.Clear();
        Changes.Clear();
        BecameIdle.Clear();
        BecameBusy.Clear();
        Pressing = null;
        Prefetch = null;
        ProvisionedMicroseconds = 0;
        WakeAt = MonotonicTime.Never;
    }
}
