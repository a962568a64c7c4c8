using Dormouse.Core.Dispatch;
using Dormouse.Core.Usage;
using Dormouse.Server.Gateway;

namespace Dormouse.Server.Usage;

/// <summary>Opens an invocation in the journal when it is handed to an instance and closes it with its receipt when the run ended.</summary>
internal sealed class InvocationRecorder(IInvocationJournal journal, PriceBook prices, RevisionStatistics statistics, TimeProvider time)
{
    /// <summary>A receipt was written to the journal.</summary>
    public event Action<Invocation, Receipt>? Recorded;

    /// <summary>False when the journal is full: then nothing may run.</summary>
    public bool TryOpen(Invocation invocation)
    {
        var startedAt = time.GetUtcNow();
        var revision = invocation.Revision;
        var sequence = journal.TryOpen(new InvocationOpening(
            invocation.Id, revision.Tenant, revision.Id, invocation.Grant.Lease.Instance.Number, startedAt, revision.Spec.MemoryMib));
        if (sequence < 0)
        {
            return false;
        }

        invocation.StartedAt = startedAt;
        invocation.Sequence = sequence;
        return true;
    }

    /// <summary>Writes the receipt. Afterwards it survives the server's sudden end.</summary>
    /// <param name="meteredMicroseconds">As the engine's meter gave it; never billed above the run itself.</param>
    public Receipt Close(Invocation invocation, Outcome outcome, int status, long runMicroseconds, long cpuMicroseconds, long meteredMicroseconds)
    {
        var grant = invocation.Grant;
        var metered = Math.Min(meteredMicroseconds, runMicroseconds);
        var billed = Pricing.BilledMilliseconds(metered);
        var memory = invocation.Revision.Spec.MemoryMib;
        var receipt = new Receipt
        {
            ServerId = journal.ServerId,
            Sequence = invocation.Sequence,
            Invocation = invocation.Id,
            Tenant = invocation.Revision.Tenant,
            Revision = invocation.Revision.Id,
            Instance = grant.Lease.Instance.Number,
            StartedAt = invocation.StartedAt,
            Outcome = outcome,
            Status = status,
            Start = grant.Kind,
            Cause = grant.Kind == StartKind.Cold ? grant.Cause : null,
            Rung = grant.Kind == StartKind.Cold ? grant.Rung : null,
            Times = new InvocationTimes(Microseconds(invocation.Queue), Microseconds(invocation.Start), Microseconds(invocation.Load), runMicroseconds),
            CpuMicroseconds = cpuMicroseconds,
            MemoryMib = memory,
            MeteredMicroseconds = metered,
            BilledMilliseconds = billed,
            PricePico = Pricing.PricePico(prices, billed, memory),
        };
        journal.Close(receipt);
        invocation.IsClosed = true;
        statistics.Count(receipt);
        Recorded?.Invoke(invocation, receipt);
        return receipt;
    }

    private static long Microseconds(TimeSpan span) => span.Ticks / TimeSpan.TicksPerMicrosecond;
}
