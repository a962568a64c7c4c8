using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;

namespace Dormouse.Server.Overflow;

/// <summary>The host that a receipt's invocation overflowed to. A receipt does not hold it: its revision does, and never changes.</summary>
internal sealed class OverflowHosts(ICatalogue catalogue)
{
    /// <summary>Null when it ran here, or its endpoint is deleted.</summary>
    public async ValueTask<string?> FindAsync(Receipt receipt, CancellationToken cancellationToken) =>
        receipt.Start == StartKind.Overflow ? (await catalogue.FindRevisionAsync(receipt.Revision, cancellationToken))?.Spec.Overflow?.Host : null;
}
