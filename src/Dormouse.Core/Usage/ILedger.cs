using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Usage;

/// <summary>All receipts and their totals, durable.</summary>
public interface ILedger
{
    /// <summary>Stores receipts and adds them to the totals in one transaction. A receipt already there (server id, sequence) is skipped and not added again.</summary>
    Task AppendAsync(IReadOnlyList<Receipt> receipts, CancellationToken cancellationToken);

    /// <summary>The receipt of an invocation, of a queued one that of its last attempt.</summary>
    Task<Receipt?> FindAsync(TenantId tenant, InvocationId invocation, CancellationToken cancellationToken);

    /// <summary>Newest first, at most <paramref name="limit"/>.</summary>
    Task<ImmutableArray<Receipt>> RecentAsync(TenantId tenant, EndpointId? endpoint, int limit, CancellationToken cancellationToken);

    /// <summary>Receipts whose run began in [from, to), oldest first, at most <paramref name="limit"/>; the next page begins after the last of this one.</summary>
    /// <param name="after">The last receipt already read; null = from the start.</param>
    Task<ImmutableArray<Receipt>> PageAsync(
        TenantId tenant, EndpointId? endpoint, DateTimeOffset from, DateTimeOffset to, ReceiptPosition? after, int limit, CancellationToken cancellationToken);

    /// <summary>Totals per endpoint, hour and line in [from, to), in order of hour, then endpoint, then line.</summary>
    Task<ImmutableArray<UsageTotal>> TotalsAsync(TenantId tenant, EndpointId? endpoint, DateTimeOffset from, DateTimeOffset to, CancellationToken cancellationToken);

    /// <summary>Name an endpoint had (also after it was deleted), for reports; null when unknown.</summary>
    Task<string?> EndpointNameAsync(EndpointId endpoint, CancellationToken cancellationToken);

    /// <summary>Host of the overflow address that a revision has, or had before its endpoint was deleted; null when it has none.</summary>
    Task<string?> OverflowHostAsync(RevisionId revision, CancellationToken cancellationToken);

    /// <summary>
    /// Compares the totals of all tenants with the sums of their receipts, from the hour that holds <paramref name="since"/> on (null = all): the work
    /// grows with the receipts compared. Returns the differences as sentences, empty when there are none.
    /// </summary>
    Task<ImmutableArray<string>> CheckAsync(DateTimeOffset? since, CancellationToken cancellationToken);
}

/// <summary>
/// Openings and closings of invocations and of stretches of provisioned time, appended to a memory-mapped file before the last byte of an answer leaves: they survive SIGKILL, not a power cut.
/// One batch writer folds closed ones into the ledger; what a crash left open becomes a <see cref="Outcome.ServerLost"/> receipt at the next start.
/// Calls neither block nor allocate on disk.
/// </summary>
public interface IInvocationJournal : IAsyncDisposable
{
    Guid ServerId { get; }

    /// <summary>Appends an opening and returns its sequence, or -1 when the journal is full (then the invocation is refused: <c>ledger_unavailable</c>).</summary>
    long TryOpen(in InvocationOpening opening);

    /// <summary>Appends the receipt (its sequence is that of the opening). Never fails for want of space: an opening reserves room for its closing.</summary>
    void Close(Receipt receipt);

    /// <summary>A closed receipt was put into the ledger with something else: it need not be appended once more. Harmless when the journal does not have it any more.</summary>
    void Folded(Receipt receipt);

    /// <summary>An open or closed invocation that is not in the ledger yet; null when it holds none with that id.</summary>
    JournalEntry? Find(InvocationId invocation);

    /// <summary>Waits until all closed so far are in the ledger.</summary>
    Task FlushAsync(CancellationToken cancellationToken);
}

/// <param name="IsMirror">A copy, whose answer nobody gets.</param>
public readonly record struct InvocationOpening(
    InvocationId Invocation, TenantId Tenant, RevisionId Revision, long Instance, DateTimeOffset StartedAt, int MemoryMib, ReceiptLine Line = ReceiptLine.OnDemand, bool IsMirror = false);

/// <param name="Receipt">Null while it runs.</param>
public sealed record JournalEntry(InvocationOpening Opening, Receipt? Receipt);
