using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;

namespace Dormouse.Server.Gateway;

/// <summary>Finds what is known of one invocation: in the journal while it runs or just ended, else in the ledger.</summary>
internal sealed class ReceiptReader(IInvocationJournal journal, ILedger ledger)
{
    /// <summary>Null when this tenant never had such an invocation, or it never got to an instance.</summary>
    public async ValueTask<JournalEntry?> FindAsync(TenantId tenant, InvocationId invocation, CancellationToken cancellationToken)
    {
        if (journal.Find(invocation) is { } entry)
        {
            return entry.Opening.Tenant == tenant ? entry : null;
        }

        if (await ledger.FindAsync(tenant, invocation, cancellationToken) is not { } receipt)
        {
            return null;
        }

        var opening = new InvocationOpening(receipt.Invocation, receipt.Tenant, receipt.Revision, receipt.Instance, receipt.StartedAt, receipt.MemoryMib, receipt.Line, receipt.IsMirror);
        return new JournalEntry(opening, receipt);
    }
}
