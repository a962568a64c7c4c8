using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;
using Dormouse.Core.Usage;

namespace Dormouse.Core.Queues;

/// <summary>A caller's key for one invocation: the same again returns the first.</summary>
/// <param name="Digest">Of everything that makes the invocation what it is.</param>
/// <param name="Until">Afterwards the key is free.</param>
public sealed record IdempotencyKey(string Key, ReadOnlyMemory<byte> Digest, DateTimeOffset Until);

/// <summary>An item to be accepted.</summary>
/// <param name="Item">Queued, never leased.</param>
public sealed record NewQueueItem(QueueItem Item, ReadOnlyMemory<byte> Body, IdempotencyKey? Idempotency)
{
    /// <summary>The trigger that it comes from; its progress is stored with the item, also when the item is known already.</summary>
    public TriggerProgress? Trigger { get; init; }

    /// <summary>Who takes it in the same transaction, if nothing of its endpoint waits that may run; null = it waits for its turn. Only for one without group and trigger that may run at once.</summary>
    public LeaseAtOnce? AtOnce { get; init; }
}

/// <summary>A lease for an item that is just being accepted.</summary>
public readonly record struct LeaseAtOnce(Guid Owner, DateTimeOffset Until);

/// <summary>What became of a wish to queue something.</summary>
public abstract record Acceptance
{
    private Acceptance()
    {
    }

    /// <summary>It is durable.</summary>
    /// <param name="Leased">As it is now, when it was taken at once; null = it waits.</param>
    public sealed record Accepted(QueueItem? Leased = null) : Acceptance;

    /// <summary>The same was accepted before, under the same idempotency key.</summary>
    public sealed record Known(QueueItem Item) : Acceptance;

    /// <summary>The idempotency key belongs to something else.</summary>
    public sealed record KeyReused(InvocationId First) : Acceptance;

    /// <summary>As many items wait as may.</summary>
    public sealed record Full(long Queued) : Acceptance;
}

public sealed record LeasedItem(QueueItem Item, ReadOnlyMemory<byte> Body);

/// <param name="NextDue">When the earliest item is due that is not yet, of the endpoints that had fewer than were wished.</param>
public sealed record LeasedItems(ImmutableArray<LeasedItem> Items, DateTimeOffset? NextDue);

/// <summary>Items of one endpoint by state.</summary>
/// <param name="OldestDue">Since when the item that is due longest could have run; null when none waits.</param>
public sealed record QueueDepth(TenantId Tenant, EndpointId Endpoint, long Queued, long Leased, long Dead, DateTimeOffset? OldestDue);

/// <summary>Which items a list shows; null = any.</summary>
/// <param name="Before">Position of the last one of the page before.</param>
public sealed record QueueFilter(TenantId Tenant, EndpointId? Endpoint, QueueState? State, long? Before, int Limit);

/// <param name="Position">Orders items by acceptance.</param>
public sealed record ListedItem(long Position, QueueItem Item);

/// <summary>
/// The durable queue. Each method is one transaction: what it returns is on the disk. Times come from the caller, so that the store has no clock. Items of an endpoint are taken in
/// order of priority, then of <see cref="QueueItem.NotBefore"/>, then of acceptance; of a group only the earliest live one can be taken.
/// </summary>
public interface IQueueStore
{
    /// <summary>True when other servers may take items from it as well: leases then end by time. Else whoever else has some is no more.</summary>
    bool IsShared { get; }

    /// <summary>Stores an item with its body and its idempotency key, unless the key is known or <paramref name="queuedMax"/> items of the endpoint wait.</summary>
    Task<Acceptance> AcceptAsync(NewQueueItem item, long queuedMax, CancellationToken cancellationToken);

    /// <summary>Takes items that are due for <paramref name="owner"/>: of each endpoint at most as many as wished.</summary>
    Task<LeasedItems> LeaseAsync(Guid owner, IReadOnlyList<LeaseWish> wishes, DateTimeOffset now, DateTimeOffset until, CancellationToken cancellationToken);

    /// <summary>Holds leases for longer. Returns those that are lost: cancelled, or taken by another server.</summary>
    Task<ImmutableArray<QueueLease>> ExtendAsync(IReadOnlyList<QueueLease> leases, DateTimeOffset until, CancellationToken cancellationToken);

    /// <summary>
    /// Stores what became of an attempt: the item's next state, its answer, and the attempt's receipt with its totals, all or nothing. False when the lease is not the item's
    /// current one; then only the receipt is stored, because the run was real.
    /// </summary>
    Task<bool> EndAsync(QueueLease lease, QueueVerdict verdict, Receipt? receipt, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Ends the leases of every server but <paramref name="owner"/> that end by <paramref name="leasedUntil"/> (null = all of them). Returns the items that ended by it.</summary>
    Task<ImmutableArray<InvocationId>> TakeOverAsync(Guid owner, DateTimeOffset? leasedUntil, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Ends the leases that <paramref name="owner"/> itself had before its start. Returns the items that ended by it.</summary>
    Task<ImmutableArray<InvocationId>> ReclaimAsync(Guid owner, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Ends an item that has not ended. Returns it as it is then; null when the tenant has none with that id.</summary>
    Task<QueueItem?> CancelAsync(TenantId tenant, InvocationId id, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Cancels at most <paramref name="limit"/> waiting items of an endpoint that is no more, and none of one that another server has made meanwhile. Returns them.</summary>
    Task<ImmutableArray<InvocationId>> CancelAllAsync(EndpointId endpoint, string reason, DateTimeOffset now, int limit, CancellationToken cancellationToken);

    /// <summary>Queues an ended item that did not succeed anew; one that is live or succeeded stays as it is. Null when the tenant has none with that id.</summary>
    Task<QueueItem?> RedriveAsync(TenantId tenant, InvocationId id, DateTimeOffset now, DateTimeOffset expiresAt, CancellationToken cancellationToken);

    /// <summary>Changes the request of an ended item, if <see cref="EditRule"/> allows it, and keeps what it was. Null when the tenant has none with that id.</summary>
    /// <param name="by">Public id of the key of who does it.</param>
    Task<EditOutcome?> EditAsync(TenantId tenant, InvocationId id, RequestEdit edit, string by, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Who changed its request and when, in that order; kept as long as the item.</summary>
    Task<ImmutableArray<QueueEdit>> EditsAsync(TenantId tenant, InvocationId id, CancellationToken cancellationToken);

    /// <summary>Its request with the body, as it is. Null when the tenant has none with that id, or it has no such edit.</summary>
    /// <param name="beforeEdit">As it was before this edit (<see cref="QueueEdit.Number"/>; before 1 = as it was accepted); null = as it is now.</param>
    Task<WholeRequest?> RequestAsync(TenantId tenant, InvocationId id, int? beforeEdit, CancellationToken cancellationToken);

    /// <summary>Queues at most <paramref name="limit"/> dead letters anew, the oldest first. Returns how many.</summary>
    Task<int> RedriveDeadAsync(TenantId tenant, EndpointId? endpoint, DateTimeOffset now, DateTimeOffset expiresAt, int limit, CancellationToken cancellationToken);

    /// <summary>Ends at most <paramref name="limit"/> waiting items whose time to live has passed. Returns them.</summary>
    Task<ImmutableArray<InvocationId>> ExpireAsync(DateTimeOffset now, int limit, CancellationToken cancellationToken);

    /// <summary>Removes at most <paramref name="limit"/> items that ended before <paramref name="endedBefore"/> and whose idempotency key is over. Returns how many.</summary>
    Task<int> SweepAsync(DateTimeOffset endedBefore, DateTimeOffset now, int limit, CancellationToken cancellationToken);

    Task<QueueItem?> FindAsync(TenantId tenant, InvocationId id, CancellationToken cancellationToken);

    /// <summary>The kept answer; null when there is none (yet).</summary>
    Task<StoredAnswer?> AnswerAsync(TenantId tenant, InvocationId id, CancellationToken cancellationToken);

    /// <summary>Newest first.</summary>
    Task<ImmutableArray<ListedItem>> ListAsync(QueueFilter filter, CancellationToken cancellationToken);

    /// <summary>Every endpoint that has items which wait, run or are dead letters.</summary>
    Task<ImmutableArray<QueueDepth>> DepthsAsync(DateTimeOffset now, CancellationToken cancellationToken);
}
