using System.Collections.Immutable;

namespace Dormouse.Protocol.Control;

/// <summary><c>GET /api/v1/invocations/{id}</c>.</summary>
public sealed record ReceiptInfo
{
    public required string Id { get; init; }

    public required string Endpoint { get; init; }

    public required string EndpointId { get; init; }

    public required string Revision { get; init; }

    /// <summary>Empty for the line "provisioned_time", which is of all provisioned instances.</summary>
    public required string Instance { get; init; }

    /// <summary>Its price: "on_demand", "overflow" (an overflow address ran it), "provisioned" (it ran on a provisioned instance), "provisioned_time" (no invocation: the time that provisioned instances were there).</summary>
    public string Line { get; set; } = "on_demand";

    /// <summary>
    /// "running", "completed", "rejected", "worker_crashed", "memory_exceeded", "deadline_exceeded", "caller_left", "server_lost", "failed"; of an asynchronous one that of its last
    /// attempt, before the first "queued".
    /// </summary>
    public required string Outcome { get; init; }

    public int Status { get; init; }

    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>"warm", "queued", "cold", "overflow": another server ran it, or "pipeline": see its parts.</summary>
    public required string Start { get; init; }

    public string? Cause { get; init; }

    /// <summary>Host of the overflow address that ran it; null when an instance here did, or its endpoint is deleted.</summary>
    public string? Overflow { get; init; }

    /// <summary>A copy of another invocation: its answer was compared and dropped.</summary>
    public bool Mirror { get; init; }

    /// <summary>Of an asynchronous invocation: where it stands. Null in lists and of all others.</summary>
    public QueueInfo? Queue { get; init; }

    /// <summary>Of a pipeline's run: the invocations that it consists of, in the order in which they ended; metered time, billed time and price above are their sums. Null in lists and of all others.</summary>
    public ImmutableArray<ReceiptPartInfo>? Parts { get; init; }

    public string? Rung { get; init; }

    /// <summary>Why its instance's start took no better rung: "pool_empty", "no_template", "template_starting", "template_refused", "fork_failed", "templates_off", "freeze_refused", "thaw_failed", "restore_failed", "snapshot_refused"; null when it took the best.</summary>
    public string? RungReason { get; init; }

    public double QueueMs { get; init; }

    public double StartMs { get; init; }

    public double LoadMs { get; init; }

    public double RunMs { get; init; }

    public double CpuMs { get; init; }

    public int MemoryMib { get; init; }

    public long MeteredMicroseconds { get; init; }

    public long BilledMs { get; init; }

    /// <summary>Exact integer, 10⁻¹² of the currency unit.</summary>
    public long PricePico { get; init; }

    /// <summary>The same as a decimal text, e.g. "0.000000008333".</summary>
    public required string Price { get; init; }

    public required string Currency { get; init; }
}

/// <summary>One attempt of one call of a pipeline's run. Its id leads to its own receipt.</summary>
/// <param name="Step">The step, such as "split", "each[2]" of an item, "outer/inner" in a pipeline within.</param>
/// <param name="Attempt">From 1.</param>
/// <param name="Status">What was answered, or what stands for it; 0 = it was given up.</param>
/// <param name="Detail">Why it failed.</param>
/// <param name="PricePico">10⁻¹² of the currency unit.</param>
public sealed record ReceiptPartInfo(string Step, string Endpoint, string Id, int Attempt, int Status, string? Detail, long MeteredMicroseconds, long BilledMs, long PricePico, string Price);

public sealed record ReceiptList(ImmutableArray<ReceiptInfo> Invocations);

/// <summary><c>GET /api/v1/arrivals</c>: what was called when, oldest run first.</summary>
/// <param name="Next">Gives the next page as <c>after</c>; null = this is the last one.</param>
public sealed record ArrivalPage(ImmutableArray<ArrivalInfo> Arrivals, string? Next);

/// <param name="At">When the invocation came: its run's start less what it waited.</param>
/// <param name="Endpoint">The name; of a deleted endpoint the one it had.</param>
public sealed record ArrivalInfo(DateTimeOffset At, string Endpoint, double RunMs, int MemoryMib);

/// <summary><c>GET /api/v1/usage?from=&amp;to=&amp;endpoint=&amp;by=hour|endpoint</c>.</summary>
public sealed record UsageReport
{
    public required DateTimeOffset From { get; init; }

    public required DateTimeOffset To { get; init; }

    public required string Currency { get; init; }

    public required ImmutableArray<UsageRow> Rows { get; init; }

    public required UsageRow Total { get; init; }
}

/// <param name="Hour">Null in rows by endpoint and in the total.</param>
/// <param name="MibMicroseconds">Exact integer as text (it may exceed 2^53).</param>
/// <param name="Line">As in receipts: an endpoint has a row for each; null in the total.</param>
public sealed record UsageRow(
    string? Endpoint, string? EndpointId, DateTimeOffset? Hour, long Invocations, long ColdStarts, long Failures, double RunMs, double CpuMs,
    long BilledMs, double GbSeconds, string MibMicroseconds, string PricePico, string Price, string? Line = null);
