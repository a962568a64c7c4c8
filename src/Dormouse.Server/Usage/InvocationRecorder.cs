using Dormouse.Core.Usage;
using Dormouse.Server.Gateway;

namespace Dormouse.Server.Usage;

/// <summary>Opens an invocation in the journal when it is handed to an instance and closes it with its receipt when the run ended.</summary>
internal sealed class InvocationRecorder(IInvocationJournal journal, PriceBook prices, InvocationCounts counts, TimeProvider time)
{
    /// <summary>False when the journal is full: then nothing may run.</summary>
    public bool TryOpen(Invocation invocation)
    {
        var revision = invocation.Revision;
        var lease = invocation.Grant.Lease;
        invocation.Opening = new InvocationOpening(
            invocation.Id, revision.Tenant, revision.Id, lease.Instance.Number, time.GetUtcNow(), revision.Spec.MemoryMib, Receipts.LineOf(invocation.Grant), invocation.IsMirror);
        var sequence = journal.TryOpen(invocation.Opening);
        if (sequence < 0)
        {
            return false;
        }

        invocation.Sequence = sequence;
        return true;
    }

    /// <summary>Writes the receipt. Afterwards it survives the server's sudden end.</summary>
    public Receipt Close(Invocation invocation, in InvocationEnd end)
    {
        var sequence = invocation.Sequence ?? throw new InvalidOperationException("An invocation is closed that was never opened.");
        var receipt = Receipts.Close(journal.ServerId, sequence, invocation.Opening, invocation.Grant, end, prices);
        journal.Close(receipt);
        invocation.Receipt = receipt;
        counts.Closed(invocation, receipt, time.GetElapsedTime(invocation.ArrivedTimestamp));
        return receipt;
    }

    /// <summary>Time since the current attempt was handed to its instance.</summary>
    public long ElapsedMicroseconds(Invocation invocation) => time.GetElapsedTime(invocation.RunTimestamp).Ticks / TimeSpan.TicksPerMicrosecond;
}
