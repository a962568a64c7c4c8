using Dormouse.Core.Dispatch;

namespace Dormouse.Core.Usage;

/// <summary>How a run ended, as the gateway knows it.</summary>
/// <param name="Status">HTTP status the caller got; 0 when it got none.</param>
/// <param name="RunMicroseconds">Run time as the instance said it, else as measured from the hand-over to the end; at least 0.</param>
/// <param name="CpuMicroseconds">CPU time as the instance said it; 0 when it does not say.</param>
/// <param name="MeteredMicroseconds">Share of the instance's busy time (<see cref="MeteredRun"/>); at least 0.</param>
public readonly record struct InvocationEnd(Outcome Outcome, int Status, long RunMicroseconds, long CpuMicroseconds, long MeteredMicroseconds)
{
    /// <summary>Wait inside the instance before the run, for others to share it; at least 0.</summary>
    public long WaitMicroseconds { get; init; }
}

/// <summary>Makes receipts; the only place that does a receipt's arithmetic.</summary>
public static class Receipts
{
    /// <summary>The line of an invocation that got this slot, or an overflow address's answer.</summary>
    public static ReceiptLine LineOf(in SlotGrant grant) =>
        grant.Kind == StartKind.Overflow ? ReceiptLine.Overflow : grant.Lease.IsProvisioned ? ReceiptLine.Provisioned : ReceiptLine.OnDemand;

    /// <summary>The receipt of an invocation that ran and ended.</summary>
    /// <param name="serverId">The data folder's server id.</param>
    /// <param name="sequence">The opening's number in the journal.</param>
    /// <param name="opening">As it was written to the journal.</param>
    /// <param name="grant">The slot it (last) ran on; its instance is the receipt's.</param>
    /// <param name="end">Times below 0 count as 0.</param>
    /// <param name="book">Prices in force.</param>
    /// <returns>
    /// Times in whole µs whose queue, start and load sum to the whole wait, that in the instance included. Metered time is at most the run time, so the hop to the instance, which the slot
    /// was held for as well, is not billed. <see cref="Outcome.ServerLost"/> is billed 0; every other outcome pays its share and the price per invocation.
    /// One that an overflow address ran (<see cref="ReceiptLine.Overflow"/>) metered nothing here and pays the price of an overflow.
    /// </returns>
    public static Receipt Close(Guid serverId, long sequence, in InvocationOpening opening, in SlotGrant grant, in InvocationEnd end, PriceBook book)
    {
        var run = Math.Max(0, end.RunMicroseconds);
        var isLost = end.Outcome == Outcome.ServerLost;
        var line = LineOf(grant);
        var metered = isLost || line == ReceiptLine.Overflow ? 0 : Math.Clamp(end.MeteredMicroseconds, 0, run);
        var billed = Pricing.BilledMilliseconds(metered);
        var isCold = grant.Kind == StartKind.Cold;
        return new Receipt
        {
            ServerId = serverId,
            Sequence = sequence,
            Invocation = opening.Invocation,
            Tenant = opening.Tenant,
            Revision = opening.Revision,
            Instance = grant.Lease.Instance.Number,
            Line = line,
            StartedAt = opening.StartedAt,
            Outcome = end.Outcome,
            Status = end.Status,
            Start = grant.Kind,
            Cause = isCold ? grant.Cause : null,
            Rung = isCold ? grant.Rung : null,
            RungReason = isCold ? grant.RungReason : null,
            IsMirror = opening.IsMirror,
            Times = Times(grant, run, Math.Max(0, end.WaitMicroseconds)),
            CpuMicroseconds = Math.Max(0, end.CpuMicroseconds),
            MemoryMib = opening.MemoryMib,
            MeteredMicroseconds = metered,
            BilledMilliseconds = billed,
            PricePico = isLost ? 0 : Pricing.PricePico(book, billed, opening.MemoryMib, line),
        };
    }

    /// <summary>The receipt of a stretch of provisioned time: no invocation, so it waited for nothing and pays for time alone.</summary>
    /// <param name="opening">As it was written to the journal when the stretch began.</param>
    /// <param name="microseconds">Instance time (<see cref="ProvisionedMeter"/>); at least 0.</param>
    public static Receipt ProvisionedTime(Guid serverId, long sequence, in InvocationOpening opening, long microseconds, PriceBook book)
    {
        var billed = Pricing.BilledMilliseconds(microseconds);
        return ServerLost(serverId, sequence, opening) with
        {
            Outcome = Outcome.Completed,
            MeteredMicroseconds = microseconds,
            BilledMilliseconds = billed,
            PricePico = Pricing.PricePico(book, billed, opening.MemoryMib, ReceiptLine.ProvisionedTime),
        };
    }

    /// <summary>
    /// The receipt of an interval that a crash left open: <see cref="Outcome.ServerLost"/>, nothing metered, billed 0. What it waited for died with the server,
    /// so its times are 0 and its start reads <see cref="StartKind.Warm"/>.
    /// </summary>
    /// <param name="serverId">The data folder's server id.</param>
    /// <param name="sequence">The opening's number in the journal.</param>
    /// <param name="opening">As it was found in the journal.</param>
    public static Receipt ServerLost(Guid serverId, long sequence, in InvocationOpening opening) => new()
    {
        ServerId = serverId,
        Sequence = sequence,
        Invocation = opening.Invocation,
        Tenant = opening.Tenant,
        Revision = opening.Revision,
        Instance = opening.Instance,
        Line = opening.Line,
        StartedAt = opening.StartedAt,
        Outcome = Outcome.ServerLost,
        Status = 0,
        Start = StartKind.Warm,
        IsMirror = opening.IsMirror,
        Times = default,
        MemoryMib = opening.MemoryMib,
        MeteredMicroseconds = 0,
        BilledMilliseconds = 0,
        PricePico = 0,
    };

    /// <summary>Start and load are rounded down; the queue takes what is left of the whole wait, so that the three sum to it.</summary>
    private static InvocationTimes Times(in SlotGrant grant, long runMicroseconds, long waitMicroseconds)
    {
        var wait = waitMicroseconds + ((grant.Queue + grant.Start + grant.Load).Ticks / TimeSpan.TicksPerMicrosecond);
        var start = grant.Start.Ticks / TimeSpan.TicksPerMicrosecond;
        var load = grant.Load.Ticks / TimeSpan.TicksPerMicrosecond;
        return new InvocationTimes(wait - start - load, start, load, runMicroseconds);
    }
}
