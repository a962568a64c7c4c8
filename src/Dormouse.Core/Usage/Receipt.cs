using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;

namespace Dormouse.Core.Usage;

/// <summary>How an invocation ended, as its receipt says it.</summary>
public enum Outcome
{
    /// <summary>The instance answered, with a status below 400.</summary>
    Completed,

    /// <summary>The instance answered that the request is at fault (4xx). What it ran for that is metered.</summary>
    Rejected,
    WorkerCrashed,
    MemoryExceeded,
    DeadlineExceeded,

    /// <summary>The caller hung up before the answer; the run was finished and is metered.</summary>
    CallerLeft,

    /// <summary>The server ended while it ran: billed 0.</summary>
    ServerLost,

    /// <summary>The instance answered that it failed (5xx): the model failed, or needed more than there is. What it ran is metered.</summary>
    Failed,
}

/// <summary>Which price a receipt has, and with it the line of a usage report that it belongs to.</summary>
public enum ReceiptLine
{
    /// <summary>An invocation on an on-demand instance.</summary>
    OnDemand,

    /// <summary>An invocation that an overflow address ran. Receipts of 0.1 have <see cref="OnDemand"/> for it, and only <see cref="Receipt.Start"/> tells.</summary>
    Overflow,

    /// <summary>An invocation on an instance that counted as provisioned when it got its slot.</summary>
    Provisioned,

    /// <summary>No invocation: the time that provisioned instances were there, whether anything ran on them or not.</summary>
    ProvisionedTime,
}

/// <summary>What one invocation, or a stretch of provisioned time, used and cost. Written once, never changed.</summary>
public sealed record Receipt
{
    /// <summary>Key in the ledger together with <see cref="Sequence"/>: the data folder's server id.</summary>
    public required Guid ServerId { get; init; }

    /// <summary>Grows by one per invocation of this server; the journal's number.</summary>
    public required long Sequence { get; init; }

    public required InvocationId Invocation { get; init; }

    public required TenantId Tenant { get; init; }

    public required RevisionId Revision { get; init; }

    /// <summary>Number of the instance it (last) ran on; 0 for <see cref="ReceiptLine.ProvisionedTime"/>, which is of all of them, and for <see cref="ReceiptLine.Overflow"/>.</summary>
    public required long Instance { get; init; }

    public ReceiptLine Line { get; init; }

    /// <summary>When the invocation was handed to the instance, or the stretch of provisioned time began; UTC.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    public required Outcome Outcome { get; init; }

    /// <summary>HTTP status the caller got; 0 when it got none.</summary>
    public required int Status { get; init; }

    public required StartKind Start { get; init; }

    public StartCause? Cause { get; init; }

    public Rung? Rung { get; init; }

    /// <summary>Why the start took no better rung; null when it took the best, or there was none.</summary>
    public RungReason? RungReason { get; init; }

    /// <summary>A copy of an invocation (<see cref="Rollouts.Mirror"/>), whose answer was compared and dropped.</summary>
    public bool IsMirror { get; init; }

    public required InvocationTimes Times { get; init; }

    /// <summary>CPU time of the run as the instance measured it, µs; 0 when it does not say.</summary>
    public long CpuMicroseconds { get; init; }

    /// <summary>Memory class it was billed at, MiB.</summary>
    public required int MemoryMib { get; init; }

    /// <summary>
    /// Its share of the instance's busy time, µs (see <see cref="InstanceMeter"/>); at most its run time. Of <see cref="ReceiptLine.ProvisionedTime"/>: instance time, the sum over its
    /// instances (<see cref="ProvisionedMeter"/>).
    /// </summary>
    public required long MeteredMicroseconds { get; init; }

    /// <summary><see cref="MeteredMicroseconds"/> rounded up to whole ms; 0 for <see cref="Outcome.ServerLost"/>.</summary>
    public required long BilledMilliseconds { get; init; }

    /// <summary>Price in 10⁻¹² of the currency unit.</summary>
    public required long PricePico { get; init; }
}

/// <summary>A receipt's place in the order of time.</summary>
public readonly record struct ReceiptPosition(DateTimeOffset StartedAt, Guid ServerId, long Sequence)
{
    public static ReceiptPosition Of(Receipt receipt) => new(receipt.StartedAt, receipt.ServerId, receipt.Sequence);
}

/// <summary>Where an invocation's time went, µs. Queue + Start + Load = the whole wait before the run.</summary>
public readonly record struct InvocationTimes(long QueueMicroseconds, long StartMicroseconds, long LoadMicroseconds, long RunMicroseconds);

/// <summary>Totals of one endpoint, hour and line; written in the transaction of the receipts that they sum.</summary>
public sealed record UsageTotal
{
    public required TenantId Tenant { get; init; }

    public required EndpointId Endpoint { get; init; }

    /// <summary>Start of the hour, UTC.</summary>
    public required DateTimeOffset Hour { get; init; }

    public required ReceiptLine Line { get; init; }

    /// <summary>0 for <see cref="ReceiptLine.ProvisionedTime"/>.</summary>
    public required long Invocations { get; init; }

    public required long ColdStarts { get; init; }

    public required long Failures { get; init; }

    public required long RunMicroseconds { get; init; }

    public required long CpuMicroseconds { get; init; }

    public required long BilledMilliseconds { get; init; }

    /// <summary>Σ memory class × billed time, MiB·µs.</summary>
    public required Int128 MibMicroseconds { get; init; }

    public required Int128 PricePico { get; init; }
}
