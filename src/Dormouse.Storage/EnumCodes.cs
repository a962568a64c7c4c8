using System.Runtime.CompilerServices;
using Dormouse.Core.Batches;
using Dormouse.Core.Destinations;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Queues;
using Dormouse.Core.Rollouts;
using Dormouse.Core.Sharing;
using Dormouse.Core.Usage;

namespace Dormouse.Storage;

/// <summary>
/// How the members of an enumeration are stored: a byte in the journal, a word in the database. Both are fixed for ever; the order of the
/// members in the source means nothing.
/// </summary>
internal sealed class EnumCodes<T>
    where T : struct, Enum
{
    // A few rows, looked through: a dictionary of each enumeration is code of its own that the runtime compiles while somebody waits for the port.
    private readonly (T Value, byte Code, string Text)[] _rows;

    public EnumCodes(params (T Value, byte Code, string Text)[] rows) => _rows = rows;

    public byte Code(T value) => Row(value).Code;

    public string Text(T value) => Row(value).Text;

    public T Value(string text) =>
        TryValue(text, out var value) ? value : throw new InvalidDataException($"'{text}' is no stored {typeof(T).Name} that this version knows.");

    public bool TryValue(byte code, out T value)
    {
        foreach (ref readonly var row in _rows.AsSpan())
        {
            if (row.Code == code)
            {
                value = row.Value;
                return true;
            }
        }

        value = default;
        return false;
    }

    public bool TryValue(string text, out T value)
    {
        foreach (ref readonly var row in _rows.AsSpan())
        {
            if (row.Text == text)
            {
                value = row.Value;
                return true;
            }
        }

        value = default;
        return false;
    }

    private (T Value, byte Code, string Text) Row(T value)
    {
        foreach (ref readonly var row in _rows.AsSpan())
        {
            // Not Equals: a comparer of each enumeration would have to be made.
            if (Unsafe.BitCast<T, int>(row.Value) == Unsafe.BitCast<T, int>(value))
            {
                return row;
            }
        }

        throw new InvalidOperationException($"{typeof(T).Name} {value} has no stored form.");
    }
}

/// <summary>Code 0 is kept for "none", unless said otherwise.</summary>
internal static class Codes
{
    public static readonly EnumCodes<Outcome> Outcomes = new(
        (Outcome.Completed, 1, "completed"),
        (Outcome.Rejected, 2, "rejected"),
        (Outcome.WorkerCrashed, 3, "worker_crashed"),
        (Outcome.MemoryExceeded, 4, "memory_exceeded"),
        (Outcome.DeadlineExceeded, 5, "deadline_exceeded"),
        (Outcome.CallerLeft, 6, "caller_left"),
        (Outcome.ServerLost, 7, "server_lost"),
        (Outcome.Failed, 8, "failed"));

    /// <summary>0 in a journal of before reads as on-demand: nothing else was known then.</summary>
    public static readonly EnumCodes<ReceiptLine> Lines = new(
        (ReceiptLine.OnDemand, 0, "on_demand"), (ReceiptLine.Provisioned, 1, "provisioned"), (ReceiptLine.ProvisionedTime, 2, "provisioned_time"), (ReceiptLine.Overflow, 3, "overflow"));

    public static readonly EnumCodes<StartKind> Starts = new((StartKind.Warm, 1, "warm"), (StartKind.Queued, 2, "queued"), (StartKind.Cold, 3, "cold"), (StartKind.Overflow, 4, "overflow"));

    public static readonly EnumCodes<StartCause> Causes = new(
        (StartCause.First, 1, "first"),
        (StartCause.Idle, 2, "idle"),
        (StartCause.Burst, 3, "burst"),
        (StartCause.Rollout, 4, "rollout"),
        (StartCause.Crash, 5, "crash"),
        (StartCause.Eviction, 6, "eviction"));

    public static readonly EnumCodes<Rung> Rungs = new(
        (Rung.None, 1, "none"),
        (Rung.Pool, 2, "pool"),
        (Rung.Fork, 3, "fork"),
        (Rung.Thaw, 4, "thaw"),
        (Rung.Restore, 5, "restore"));

    public static readonly EnumCodes<RungReason> RungReasons = new(
        (RungReason.PoolEmpty, 1, "pool_empty"),
        (RungReason.NoTemplate, 2, "no_template"),
        (RungReason.TemplateStarting, 3, "template_starting"),
        (RungReason.TemplateRefused, 4, "template_refused"),
        (RungReason.ForkFailed, 5, "fork_failed"),
        (RungReason.TemplatesOff, 6, "templates_off"),
        (RungReason.FreezeRefused, 7, "freeze_refused"),
        (RungReason.ThawFailed, 8, "thaw_failed"),
        (RungReason.RestoreFailed, 9, "restore_failed"),
        (RungReason.SnapshotRefused, 10, "snapshot_refused"));

    public static readonly EnumCodes<RevisionState> RevisionStates = new(
        (RevisionState.Verifying, 1, "verifying"),
        (RevisionState.Ready, 2, "ready"),
        (RevisionState.Failed, 3, "failed"));

    public static readonly EnumCodes<CanaryState> CanaryStates = new(
        (CanaryState.Waiting, 1, "waiting"),
        (CanaryState.Running, 2, "running"),
        (CanaryState.Promoted, 3, "promoted"),
        (CanaryState.RolledBack, 4, "rolled_back"),
        (CanaryState.Ended, 5, "ended"));

    public static readonly EnumCodes<QueueState> QueueStates = new(
        (QueueState.Queued, 1, "queued"),
        (QueueState.Leased, 2, "leased"),
        (QueueState.Succeeded, 3, "succeeded"),
        (QueueState.Failed, 4, "failed"),
        (QueueState.Dead, 5, "dead"),
        (QueueState.Cancelled, 6, "cancelled"),
        (QueueState.Expired, 7, "expired"));

    public static readonly EnumCodes<BatchState> BatchStates = new(
        (BatchState.Running, 1, "running"), (BatchState.Paused, 2, "paused"), (BatchState.Failed, 3, "failed"), (BatchState.Cancelled, 4, "cancelled"), (BatchState.Done, 5, "done"));

    public static readonly EnumCodes<BatchFormat> BatchFormats = new((BatchFormat.Lines, 1, "lines"), (BatchFormat.Csv, 2, "csv"), (BatchFormat.Files, 3, "files"), (BatchFormat.Parquet, 4, "parquet"));

    public static readonly EnumCodes<BatchPlace> BatchPlaces = new((BatchPlace.Uploaded, 1, "uploaded"), (BatchPlace.Server, 2, "server"), (BatchPlace.Bucket, 3, "bucket"));

    public static readonly EnumCodes<DeliveryState> DeliveryStates = new(
        (DeliveryState.Pending, 1, "pending"), (DeliveryState.Delivered, 2, "delivered"), (DeliveryState.Dead, 3, "dead"));

    public static readonly EnumCodes<DestinationForm> DestinationForms = new(
        (DestinationForm.Webhook, 1, "webhook"), (DestinationForm.CloudEvents, 2, "cloudevents"), (DestinationForm.CloudEventsStructured, 3, "cloudevents-structured"),
        (DestinationForm.CloudEventsBatch, 4, "cloudevents-batch"));

    /// <summary>In order of the queue: the numbers are compared in the database.</summary>
    public static readonly EnumCodes<QueuePriority> Priorities = new((QueuePriority.High, 1, "high"), (QueuePriority.Normal, 2, "normal"), (QueuePriority.Low, 3, "low"));

    public static readonly EnumCodes<SharedKind> SharedKinds = new((SharedKind.Endpoint, 1, "endpoint"), (SharedKind.Key, 2, "key"), (SharedKind.Trigger, 3, "trigger"));

    public static readonly EnumCodes<HandoverState> HandoverStates = new(
        (HandoverState.Waiting, 1, "waiting"),
        (HandoverState.Warming, 2, "warming"),
        (HandoverState.Keeping, 3, "keeping"),
        (HandoverState.Done, 4, "done"),
        (HandoverState.Failed, 5, "failed"),
        (HandoverState.Ended, 6, "ended"));
}
