using Dormouse.Core.Dispatch;
using Dormouse.Core.Usage;

namespace Dormouse.Server.Overflow;

/// <summary>The host that a receipt's invocation overflowed to: that of its revision, which never changes and is remembered beyond the endpoint.</summary>
internal sealed class OverflowHosts(ILedger ledger)
{
    /// <summary>Null when it ran here.</summary>
    public async ValueTask<string?> FindAsync(Receipt receipt, CancellationToken cancellationToken) =>
        receipt.Start == StartKind.Overflow ? await ledger.OverflowHostAsync(receipt.Revision, cancellationToken) : null;
}
