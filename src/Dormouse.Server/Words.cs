using Dormouse.Core.Batches;
using Dormouse.Core.Destinations;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Overflow;
using Dormouse.Core.Queues;
using Dormouse.Core.Rollouts;
using Dormouse.Core.Usage;
using Dormouse.Server.Hosting.Connections;
using Dormouse.Server.Rollouts;

namespace Dormouse.Server;

/// <summary>
/// The one word that headers, the API and metrics show for each closed choice of the domain. (What the stores write is theirs and fixed for ever: a word
/// may change here and stay there.)
/// </summary>
internal static class Words
{
    public static string Of(Outcome outcome) => outcome switch
    {
        Outcome.Completed => "completed",
        Outcome.Rejected => "rejected",
        Outcome.WorkerCrashed => "worker_crashed",
        Outcome.MemoryExceeded => "memory_exceeded",
        Outcome.DeadlineExceeded => "deadline_exceeded",
        Outcome.CallerLeft => "caller_left",
        Outcome.ServerLost => "server_lost",
        Outcome.Failed => "failed",
        _ => throw new ArgumentOutOfRangeException(nameof(outcome), outcome, null),
    };

    public static string Of(BatchState state) => state switch
    {
        BatchState.Running => "running",
        BatchState.Paused => "paused",
        BatchState.Failed => "failed",
        BatchState.Cancelled => "cancelled",
        BatchState.Done => "done",
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, null),
    };

    public static string Of(BatchFormat format) => format switch
    {
        BatchFormat.Lines => "lines",
        BatchFormat.Csv => "csv",
        BatchFormat.Files => "files",
        BatchFormat.Parquet => "parquet",
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, null),
    };

    public static string Of(BatchPlace place) => place switch
    {
        BatchPlace.Uploaded => "uploaded",
        BatchPlace.Server => "server",
        BatchPlace.Bucket => "bucket",
        _ => throw new ArgumentOutOfRangeException(nameof(place), place, null),
    };

    public static string Of(ReceiptLine line) => line switch
    {
        ReceiptLine.OnDemand => "on_demand",
        ReceiptLine.Overflow => "overflow",
        ReceiptLine.Provisioned => "provisioned",
        ReceiptLine.ProvisionedTime => "provisioned_time",
        _ => throw new ArgumentOutOfRangeException(nameof(line), line, null),
    };

    public static string Of(StartKind kind) => kind switch
    {
        StartKind.Warm => "warm",
        StartKind.Queued => "queued",
        StartKind.Cold => "cold",
        StartKind.Overflow => "overflow",
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };

    public static string Of(StartCause cause) => cause switch
    {
        StartCause.First => "first",
        StartCause.Idle => "idle",
        StartCause.Burst => "burst",
        StartCause.Rollout => "rollout",
        StartCause.Crash => "crash",
        StartCause.Eviction => "eviction",
        _ => throw new ArgumentOutOfRangeException(nameof(cause), cause, null),
    };

    public static string Of(Rung rung) => rung switch
    {
        Rung.None => "none",
        Rung.Pool => "pool",
        Rung.Fork => "fork",
        Rung.Thaw => "thaw",
        Rung.Restore => "restore",
        _ => throw new ArgumentOutOfRangeException(nameof(rung), rung, null),
    };

    public static string Of(RungReason reason) => reason switch
    {
        RungReason.PoolEmpty => "pool_empty",
        RungReason.NoTemplate => "no_template",
        RungReason.TemplateStarting => "template_starting",
        RungReason.TemplateRefused => "template_refused",
        RungReason.ForkFailed => "fork_failed",
        RungReason.TemplatesOff => "templates_off",
        RungReason.FreezeRefused => "freeze_refused",
        RungReason.ThawFailed => "thaw_failed",
        RungReason.RestoreFailed => "restore_failed",
        RungReason.SnapshotRefused => "snapshot_refused",
        _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, null),
    };

    public static string Of(StopReason reason) => reason switch
    {
        StopReason.Idle => "idle",
        StopReason.Retired => "retired",
        StopReason.Requested => "requested",
        StopReason.Evicted => "evicted",
        StopReason.TimedOut => "timed_out",
        StopReason.StartTimedOut => "start_timed_out",
        StopReason.Suspect => "suspect",
        StopReason.ServerStopping => "server_stopping",
        _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, null),
    };

    public static string Of(RevisionState state) => state switch
    {
        RevisionState.Verifying => "verifying",
        RevisionState.Ready => "ready",
        RevisionState.Failed => "failed",
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, null),
    };

    public static string Of(CanaryState state) => state switch
    {
        CanaryState.Waiting => "waiting",
        CanaryState.Running => "running",
        CanaryState.Promoted => "promoted",
        CanaryState.RolledBack => "rolled_back",
        CanaryState.Ended => "ended",
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, null),
    };

    public static string Of(HandoverState state) => state switch
    {
        HandoverState.Waiting => "waiting",
        HandoverState.Warming => "warming",
        HandoverState.Keeping => "keeping",
        HandoverState.Done => "done",
        HandoverState.Failed => "failed",
        HandoverState.Ended => "ended",
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, null),
    };

    public static string Of(MirrorResult result) => result switch
    {
        MirrorResult.Same => "same",
        MirrorResult.DifferentStatus => "different_status",
        MirrorResult.DifferentBody => "different_body",
        MirrorResult.Unread => "unread",
        MirrorResult.Unanswered => "unanswered",
        MirrorResult.Dropped => "dropped",
        MirrorResult.NotMirrored => "not_mirrored",
        _ => throw new ArgumentOutOfRangeException(nameof(result), result, null),
    };

    public static string Of(OverflowState state) => state switch
    {
        OverflowState.Closed => "asked",
        OverflowState.Open => "left_alone",
        OverflowState.Probing => "probed",
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, null),
    };

    /// <summary>Whoever looks at an item sees that it was taken: it runs, or waits for its slot.</summary>
    public static string Of(QueueState state) => state switch
    {
        QueueState.Queued => "queued",
        QueueState.Leased => "running",
        QueueState.Succeeded => "succeeded",
        QueueState.Failed => "failed",
        QueueState.Dead => "dead",
        QueueState.Cancelled => "cancelled",
        QueueState.Expired => "expired",
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, null),
    };

    public static string Of(DeliveryState state) => state switch
    {
        DeliveryState.Pending => "pending",
        DeliveryState.Delivered => "delivered",
        DeliveryState.Dead => "dead",
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, null),
    };

    public static string Of(DestinationForm form) => form switch
    {
        DestinationForm.Webhook => "webhook",
        DestinationForm.CloudEvents => "cloudevents",
        DestinationForm.CloudEventsStructured => "cloudevents-structured",
        DestinationForm.CloudEventsBatch => "cloudevents-batch",
        _ => throw new ArgumentOutOfRangeException(nameof(form), form, null),
    };

    public static string Of(QueuePriority priority) => priority switch
    {
        QueuePriority.High => "high",
        QueuePriority.Normal => "normal",
        QueuePriority.Low => "low",
        _ => throw new ArgumentOutOfRangeException(nameof(priority), priority, null),
    };

    public static string Of(InstanceState state) => state switch
    {
        InstanceState.Starting => "starting",
        InstanceState.Ready => "ready",
        InstanceState.Draining => "draining",
        InstanceState.Stopping => "stopping",
        InstanceState.Frozen => "frozen",
        InstanceState.Waiting => "waiting",
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, null),
    };

    public static string Of(HoldReason reason) => reason switch
    {
        HoldReason.Memory => "memory",
        HoldReason.Cpu => "cpu",
        HoldReason.StartsAtOnce => "starts_at_once",
        HoldReason.StartRate => "starts_per_second",
        _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, null),
    };

    public static string Of(StartFailureKind kind) => kind switch
    {
        StartFailureKind.Model => "model",
        StartFailureKind.Memory => "memory",
        StartFailureKind.Crash => "crash",
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };

    public static string Of(InstanceLossKind kind) => kind switch
    {
        InstanceLossKind.Crashed => "crashed",
        InstanceLossKind.MemoryExceeded => "memory_exceeded",
        InstanceLossKind.LauncherLost => "launcher_lost",
        InstanceLossKind.Killed => "killed",
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };

    public static string Of(ConnectionBound bound) => bound switch
    {
        ConnectionBound.Total => "total",
        ConnectionBound.PerAddress => "address",
        _ => throw new ArgumentOutOfRangeException(nameof(bound), bound, null),
    };
}
