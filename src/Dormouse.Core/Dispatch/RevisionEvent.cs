using Dormouse.Core.Instances;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Dispatch;

public enum RevisionEventKind
{
    /// <summary>An invocation asks for a slot.</summary>
    Arrived,

    /// <summary>The caller of a waiting invocation left, or its own queue deadline is watched elsewhere.</summary>
    CallerLeft,

    /// <summary>The instance said that a run ended (or the gateway knows it: crash, time-out).</summary>
    Ended,

    /// <summary>The last byte of an answer that began with <see cref="SlotEnd.Answering"/> was read from its instance, or is given up.</summary>
    AnswerLeft,
    InstanceReady,
    InstanceFailed,
    InstanceLost,

    /// <summary>
    /// The machine has no room for a start yet: its start time-out stands still until <see cref="InstanceAdmitted"/>. Optional: a start that
    /// was never said to be held counts as admitted when it was asked for.
    /// </summary>
    InstanceHeld,

    /// <summary>The machine admitted a start that was held; its start time-out begins now.</summary>
    InstanceAdmitted,

    /// <summary>The machine has no room to spare for a start that nobody waits for; the instance never was.</summary>
    InstanceDeclined,

    /// <summary>Nothing of a stopped, failed or lost instance is left; its memory is free.</summary>
    InstanceGone,

    /// <summary>The machine's arbiter wants an idle instance back. Ignored when it is no longer idle.</summary>
    Evict,

    /// <summary>
    /// The machine's arbiter wants an instance back although it is busy, for an endpoint that has waited long enough: it takes no more, finishes and goes. One that is to be kept stays, which
    /// <see cref="RevisionEffects.BecameBusy"/> tells.
    /// </summary>
    GiveWay,

    /// <summary>An instance cannot be frozen here, and none of the revision can: answer to <see cref="RevisionEffects.Freezes"/>. The instance runs on.</summary>
    FreezeRefused,

    /// <summary>The time asked for with <see cref="RevisionEffects.WakeAt"/> came.</summary>
    Woken,

    /// <summary>A schedule asks for another number of instances from now on (<see cref="RevisionEvent.Floor"/>).</summary>
    FloorChanged,

    /// <summary>Asks for the provisioned time since it was last asked for (<see cref="RevisionEffects.ProvisionedMicroseconds"/>).</summary>
    MeterProvisioned,

    /// <summary>No new invocations will come (other revision took over, endpoint stopped): finish what waits and runs, then stop all but what a handover keeps (<see cref="RevisionEvent.Standby"/>).</summary>
    Drain,

    /// <summary>
    /// The user stops the endpoint: the instances that serve take no more, finish and go. Who waits or comes afterwards is served by new ones; an invocation that comes ends it.
    /// </summary>
    Stop,

    /// <summary>The revision is new and has traffic: its initial instances are to start, unless some have started already.</summary>
    Begin,

    /// <summary>Drain is over: the revision has traffic again. The idle time-out of what it has kept begins.</summary>
    Resume,

    /// <summary>The endpoint is deleted or the server stops: refuse what waits, finish what runs, stop all.</summary>
    Retire,
}

/// <summary>Why no new invocations will come.</summary>
public enum DrainReason
{
    /// <summary>The revision has no traffic any more.</summary>
    NoTraffic,

    /// <summary>The user stopped the endpoint; the next invocation starts it again.</summary>
    Stopped,

    /// <summary>The user unloaded the endpoint.</summary>
    Unloaded,
}

/// <summary>How a slot came free.</summary>
public enum SlotEnd
{
    Completed,

    /// <summary>
    /// The run is completed and its answer is still to be read from the instance: the slot is free, but the instance is neither idle nor stopped without need
    /// until <see cref="RevisionEventKind.AnswerLeft"/>.
    /// </summary>
    Answering,

    /// <summary>The invocation's own limit passed: the instance is stopped, others on it are lost and may be retried.</summary>
    TimedOut,

    /// <summary>The connection to the instance broke before an answer: it gets no new slot until it is known to live (Lost follows soon) and is stopped.</summary>
    Broken,
}

/// <summary>One event for a <see cref="RevisionEngine"/>; made by the static methods.</summary>
public readonly record struct RevisionEvent
{
    public RevisionEventKind Kind { get; private init; }

    /// <summary>The driver's number for an invocation that waits; unique per engine.</summary>
    public long Ticket { get; private init; }

    /// <summary>When the invocation must have left the queue at the latest.</summary>
    public MonotonicTime QueueDeadline { get; private init; }

    public long BodyBytes { get; private init; }

    /// <summary>A silent retry after a lost instance: goes to the head of the queue and never counts as a new arrival.</summary>
    public bool IsRetry { get; private init; }

    public CallerWishes Wishes { get; private init; }

    public InstanceId Instance { get; private init; }

    public SlotLease Lease { get; private init; }

    public SlotEnd End { get; private init; }

    public DrainReason Why { get; private init; }

    public InstanceFloor Floor { get; private init; }

    public Standby Standby { get; private init; }

    public InstanceReady? Ready { get; private init; }

    /// <summary>With <see cref="RevisionEventKind.InstanceHeld"/>.</summary>
    public HoldReason Hold { get; private init; }

    public StartFailure? Failure { get; private init; }

    public InstanceLoss? Loss { get; private init; }

    public static RevisionEvent Arrived(long ticket, MonotonicTime queueDeadline, long bodyBytes, bool isRetry = false, CallerWishes? wishes = null) => new()
    {
        Kind = RevisionEventKind.Arrived,
        Ticket = ticket,
        QueueDeadline = queueDeadline,
        BodyBytes = bodyBytes,
        IsRetry = isRetry,
        Wishes = wishes ?? CallerWishes.None,
    };

    public static RevisionEvent CallerLeft(long ticket) => new() { Kind = RevisionEventKind.CallerLeft, Ticket = ticket };

    public static RevisionEvent Ended(SlotLease lease, SlotEnd end) => new() { Kind = RevisionEventKind.Ended, Instance = lease.Instance, Lease = lease, End = end };

    public static RevisionEvent AnswerLeft(InstanceId instance) => new() { Kind = RevisionEventKind.AnswerLeft, Instance = instance };

    public static RevisionEvent InstanceReady(InstanceId instance, InstanceReady ready) => new() { Kind = RevisionEventKind.InstanceReady, Instance = instance, Ready = ready };

    public static RevisionEvent InstanceFailed(InstanceId instance, StartFailure failure) => new() { Kind = RevisionEventKind.InstanceFailed, Instance = instance, Failure = failure };

    public static RevisionEvent InstanceLost(InstanceId instance, InstanceLoss loss) => new() { Kind = RevisionEventKind.InstanceLost, Instance = instance, Loss = loss };

    public static RevisionEvent InstanceHeld(InstanceId instance, HoldReason hold = HoldReason.Memory) => new() { Kind = RevisionEventKind.InstanceHeld, Instance = instance, Hold = hold };

    public static RevisionEvent InstanceAdmitted(InstanceId instance) => new() { Kind = RevisionEventKind.InstanceAdmitted, Instance = instance };

    public static RevisionEvent InstanceDeclined(InstanceId instance) => new() { Kind = RevisionEventKind.InstanceDeclined, Instance = instance };

    public static RevisionEvent InstanceGone(InstanceId instance) => new() { Kind = RevisionEventKind.InstanceGone, Instance = instance };

    public static RevisionEvent Drain(DrainReason why, Standby standby = default) => new() { Kind = RevisionEventKind.Drain, Why = why, Standby = standby };

    public static RevisionEvent FloorChanged(in InstanceFloor floor) => new() { Kind = RevisionEventKind.FloorChanged, Floor = floor };

    public static RevisionEvent Evict(InstanceId instance) => new() { Kind = RevisionEventKind.Evict, Instance = instance };

    public static RevisionEvent GiveWay(InstanceId instance) => new() { Kind = RevisionEventKind.GiveWay, Instance = instance };

    public static RevisionEvent FreezeRefused(InstanceId instance) => new() { Kind = RevisionEventKind.FreezeRefused, Instance = instance };

    public static RevisionEvent Of(RevisionEventKind kind) => new() { Kind = kind };
}
