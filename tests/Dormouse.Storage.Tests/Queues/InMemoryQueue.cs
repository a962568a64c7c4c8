using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Core.Usage;

namespace Dormouse.Storage.Tests.Queues;

/// <summary>The model of a queue's store: one list, looked through anew for every question.</summary>
internal sealed class InMemoryQueue : IQueueStore
{
    private readonly Lock _rows = new();
    private readonly List<Row> _all = [];
    private long _sequence;

    /// <summary>Set to make every change fail, as a full disk would.</summary>
    public Exception? Fault { get; set; }

    /// <summary>Set to make accepting fail after it was done, as when a connection breaks while it commits.</summary>
    public Exception? FaultAfterAccepting { get; set; }

    /// <summary>Set to have leases be held only when a test lets them.</summary>
    public Hold? HeldExtension { get; set; }

    /// <summary>How often items were asked for.</summary>
    public int LeaseCalls { get; private set; }

    /// <summary>How often somebody looked for one item.</summary>
    public int Finds { get; private set; }

    public bool IsShared { get; set; }

    /// <summary>Receipts that came with the ends of attempts.</summary>
    public List<Receipt> Receipts { get; } = [];

    public Task<Acceptance> AcceptAsync(NewQueueItem item, long queuedMax, CancellationToken cancellationToken) => Do<Acceptance>(() =>
    {
        var (key, endpoint) = (item.Idempotency, item.Item.Endpoint);
        var known = key is null ? null : _all.Find(r => r.Item.Endpoint == endpoint && r.Key?.Key == key.Key && r.Key.Until > item.Item.AcceptedAt);
        if (known is not null)
        {
            return known.Key!.Digest.Span.SequenceEqual(key!.Digest.Span) ? new Acceptance.Known(known.Item) : new Acceptance.KeyReused(known.Item.Id);
        }

        var queued = _all.Count(r => r.Item.Endpoint == endpoint && r.Item.State == QueueState.Queued);
        if (queued >= queuedMax)
        {
            return new Acceptance.Full(queued);
        }

        if (key is not null && _all.Find(r => r.Item.Endpoint == endpoint && r.Key?.Key == key.Key) is { } over)
        {
            over.Key = null;
        }

        var taken = item.AtOnce is { } lease && !Turn(endpoint).Any(r => r.Item.NotBefore <= item.Item.AcceptedAt) ? item.Item.Taken(lease.Owner, lease.Until) : null;
        _all.Add(new Row { Sequence = ++_sequence, Item = taken ?? item.Item, Body = item.Body.ToArray(), Key = key });
        return new Acceptance.Accepted(taken);
    }, FaultAfterAccepting);

    public Task<LeasedItems> LeaseAsync(Guid owner, IReadOnlyList<LeaseWish> wishes, DateTimeOffset now, DateTimeOffset until, CancellationToken cancellationToken) => Do(() =>
    {
        LeaseCalls++;
        var taken = ImmutableArray.CreateBuilder<LeasedItem>();
        DateTimeOffset? next = null;
        foreach (var wish in wishes)
        {
            // All are chosen before the first is taken: of one group there is never more than one among them.
            var due = Turn(wish.Endpoint).Where(r => r.Item.IsDue(now)).OrderBy(r => (r.Item.Priority, r.Item.NotBefore, r.Sequence)).Take(wish.Count).ToList();
            foreach (var row in due)
            {
                row.Item = row.Item.Taken(owner, until);
                taken.Add(new LeasedItem(row.Item, row.Body));
            }

            if (due.Count == wish.Count)
            {
                continue;
            }

            var later = Turn(wish.Endpoint).Where(r => r.Item.NotBefore > now).Select(r => (DateTimeOffset?)r.Item.NotBefore).Min();
            next = later is null || next < later ? next : later;
        }

        return new LeasedItems(taken.ToImmutable(), next);
    });

    public async Task<ImmutableArray<QueueLease>> ExtendAsync(IReadOnlyList<QueueLease> leases, DateTimeOffset until, CancellationToken cancellationToken)
    {
        if (HeldExtension is { } held)
        {
            held.Begun.TrySetResult();
            await held.Go.Task.WaitAsync(cancellationToken);
        }

        return await Do(() => Extend(leases, until));
    }

    private ImmutableArray<QueueLease> Extend(IReadOnlyList<QueueLease> leases, DateTimeOffset until)
    {
        var lost = ImmutableArray.CreateBuilder<QueueLease>();
        foreach (var lease in leases)
        {
            if (Held(lease) is { } row)
            {
                row.Item = row.Item with { LeaseUntil = until };
            }
            else
            {
                lost.Add(lease);
            }
        }

        return lost.ToImmutable();
    }

    public Task<bool> EndAsync(QueueLease lease, QueueVerdict verdict, Receipt? receipt, DateTimeOffset now, CancellationToken cancellationToken) => Do(() =>
    {
        if (receipt is not null)
        {
            Receipts.Add(receipt);
        }

        if (Held(lease) is not { } row)
        {
            return false;
        }

        row.Item = row.Item.After(verdict, now);
        row.Answer = (verdict as QueueVerdict.Finished)?.Answer;
        return true;
    });

    public Task<ImmutableArray<InvocationId>> TakeOverAsync(Guid owner, DateTimeOffset? leasedUntil, DateTimeOffset now, CancellationToken cancellationToken) => Do(() =>
        Each(_all.Where(r => r.Item.State == QueueState.Leased && r.Item.Owner != owner && (leasedUntil is null || r.Item.LeaseUntil <= leasedUntil)), i => i.LeaseLost(now)));

    public Task<ImmutableArray<InvocationId>> ReclaimAsync(Guid owner, DateTimeOffset now, CancellationToken cancellationToken) => Do(() =>
        Each(_all.Where(r => r.Item.State == QueueState.Leased && r.Item.Owner == owner), i => i.LeaseLost(now)));

    public Task<QueueItem?> CancelAsync(TenantId tenant, InvocationId id, DateTimeOffset now, CancellationToken cancellationToken) => Do(() =>
    {
        var row = Find(tenant, id);
        if (row is not null && row.Item.State.IsLive())
        {
            row.Item = row.Item.Ended(QueueState.Cancelled, now, "cancelled by its caller");
        }

        return row?.Item;
    });

    public Task<ImmutableArray<InvocationId>> CancelAllAsync(EndpointId endpoint, string reason, DateTimeOffset now, int limit, CancellationToken cancellationToken) => Do(() =>
        Each(_all.Where(r => r.Item.Endpoint == endpoint && r.Item.State == QueueState.Queued).Take(limit), i => i.Ended(QueueState.Cancelled, now, reason)));

    public Task<QueueItem?> RedriveAsync(TenantId tenant, InvocationId id, DateTimeOffset now, DateTimeOffset expiresAt, CancellationToken cancellationToken) => Do(() =>
    {
        var row = Find(tenant, id);
        if (row is not null && !row.Item.State.IsLive() && row.Item.State != QueueState.Succeeded)
        {
            (row.Item, row.Answer) = (row.Item.Redriven(now, expiresAt), null);
        }

        return row?.Item;
    });

    public Task<EditOutcome?> EditAsync(TenantId tenant, InvocationId id, RequestEdit edit, string by, DateTimeOffset now, CancellationToken cancellationToken) => Do(() =>
    {
        if (Find(tenant, id) is not { } row)
        {
            return null;
        }

        var outcome = EditRule.Apply(row.Item, edit, row.Edits.Count);
        if (outcome is EditOutcome.Edited { Item: var next })
        {
            row.Edits.Add(new QueueEdit(row.Edits.Count + 1, by, now, edit.Changes, row.Item.BodyBytes));
            row.Before.Add((row.Item.Request, row.Item.BodyBytes, edit.Body is null ? null : row.Body));
            (row.Item, row.Body) = (next, edit.Body?.ToArray() ?? row.Body);
        }

        return outcome;
    });

    public Task<ImmutableArray<QueueEdit>> EditsAsync(TenantId tenant, InvocationId id, CancellationToken cancellationToken) =>
        Look<ImmutableArray<QueueEdit>>(() => [.. Find(tenant, id)?.Edits ?? []]);

    public Task<WholeRequest?> RequestAsync(TenantId tenant, InvocationId id, int? beforeEdit, CancellationToken cancellationToken) => Look<WholeRequest?>(() =>
    {
        if (Find(tenant, id) is not { } row || beforeEdit > row.Before.Count)
        {
            return null;
        }

        // The body of one that has succeeded goes.
        var body = row.Item.State == QueueState.Succeeded ? null : row.Body;
        if (beforeEdit is not { } number)
        {
            return new WholeRequest(row.Item.Request, row.Item.BodyBytes, Memory(body));
        }

        var (request, bytes, _) = row.Before[number - 1];
        return new WholeRequest(request, bytes, Memory(row.Before.Skip(number - 1).Select(b => b.Body).FirstOrDefault(b => b is not null) ?? body));
    });

    private static ReadOnlyMemory<byte>? Memory(byte[]? bytes) => bytes is null ? (ReadOnlyMemory<byte>?)null : bytes;

    public Task<int> RedriveDeadAsync(TenantId tenant, EndpointId? endpoint, DateTimeOffset now, DateTimeOffset expiresAt, int limit, CancellationToken cancellationToken) => Do(() =>
    {
        var dead = _all.Where(r => r.Item.Tenant == tenant && r.Item.State == QueueState.Dead && (endpoint is null || r.Item.Endpoint == endpoint)).Take(limit).ToList();
        dead.ForEach(r => (r.Item, r.Answer) = (r.Item.Redriven(now, expiresAt), null));
        return dead.Count;
    });

    public Task<ImmutableArray<InvocationId>> ExpireAsync(DateTimeOffset now, int limit, CancellationToken cancellationToken) => Do(() => Each(
        _all.Where(r => r.Item.State == QueueState.Queued && r.Item.ExpiresAt <= now).OrderBy(r => (r.Item.ExpiresAt, r.Sequence)).Take(limit),
        i => i.Ended(QueueState.Expired, now, i.Reason ?? "its time to live passed before it was its turn")));

    public Task<int> SweepAsync(DateTimeOffset endedBefore, DateTimeOffset now, int limit, CancellationToken cancellationToken) => Do(() =>
    {
        var old = _all.Where(r => r.Item.EndedAt < endedBefore && (r.Key is null || r.Key.Until <= now)).OrderBy(r => (r.Item.EndedAt, r.Sequence)).Take(limit).ToList();
        old.ForEach(r => _all.Remove(r));
        return old.Count;
    });

    public Task<QueueItem?> FindAsync(TenantId tenant, InvocationId id, CancellationToken cancellationToken) => Look(() =>
    {
        Finds++;
        return Find(tenant, id)?.Item;
    });

    public Task<StoredAnswer?> AnswerAsync(TenantId tenant, InvocationId id, CancellationToken cancellationToken) => Look(() => Find(tenant, id)?.Answer);

    public Task<ImmutableArray<ListedItem>> ListAsync(QueueFilter filter, CancellationToken cancellationToken) => Look<ImmutableArray<ListedItem>>(() =>
    [
        .. _all
            .Where(r => r.Item.Tenant == filter.Tenant && (filter.State is null || r.Item.State == filter.State) && (filter.Endpoint is null || r.Item.Endpoint == filter.Endpoint))
            .Where(r => filter.Before is null || r.Sequence < filter.Before)
            .OrderByDescending(r => r.Sequence).Take(filter.Limit).Select(r => new ListedItem(r.Sequence, r.Item)),
    ]);

    public Task<ImmutableArray<QueueDepth>> DepthsAsync(DateTimeOffset now, CancellationToken cancellationToken) => Look<ImmutableArray<QueueDepth>>(() =>
    [
        .. _all.GroupBy(r => r.Item.Endpoint)
            .Select(g => new QueueDepth(
                g.First().Item.Tenant, g.Key, Count(g, QueueState.Queued), Count(g, QueueState.Leased), Count(g, QueueState.Dead),
                Turn(g.Key).Where(r => r.Item.NotBefore <= now).Select(r => (DateTimeOffset?)r.Item.NotBefore).Min()))
            .Where(d => d.Queued + d.Leased + d.Dead > 0)
            .OrderBy(d => d.Endpoint.ToString(), StringComparer.Ordinal),
    ]);

    /// <summary>All items in the order of acceptance.</summary>
    public IEnumerable<(QueueItem Item, StoredAnswer? Answer)> Everything => _all.Select(r => (r.Item, r.Answer));

    /// <summary>For what is one transaction with the queue's: as many as wait of the endpoint.</summary>
    public long Queued(EndpointId endpoint) => _all.Count(r => r.Item.Endpoint == endpoint && r.Item.State == QueueState.Queued);

    public void Insert(NewQueueItem item) => _all.Add(new Row { Sequence = ++_sequence, Item = item.Item, Body = item.Body.ToArray() });

    public (QueueItem Item, StoredAnswer? Answer)? Find(InvocationId id) => _all.Find(r => r.Item.Id == id) is { } row ? (row.Item, row.Answer) : null;

    public void Change(InvocationId id, Func<QueueItem, QueueItem> change)
    {
        var row = _all.Find(r => r.Item.Id == id)!;
        row.Item = change(row.Item);
    }

    public void Remove(InvocationId id) => _all.RemoveAll(r => r.Item.Id == id);

    /// <summary>Waiting items of the endpoint whose turn it is: without a group, or the earliest live one of a group of which none is leased.</summary>
    private IEnumerable<Row> Turn(EndpointId endpoint)
    {
        var live = _all.Where(r => r.Item.Endpoint == endpoint && r.Item.State.IsLive()).ToList();
        return live.Where(r => r.Item.State == QueueState.Queued
            && (r.Item.Group is not { } group || live.Where(o => o.Item.Group == group).All(o => o == r || (o.Sequence > r.Sequence && o.Item.State != QueueState.Leased))));
    }

    private Row? Find(TenantId tenant, InvocationId id) => _all.Find(r => r.Item.Id == id && r.Item.Tenant == tenant);

    private Row? Held(QueueLease lease) => _all.Find(r => r.Item.State == QueueState.Leased && r.Item.Lease == lease);

    private static long Count(IEnumerable<Row> rows, QueueState state) => rows.Count(r => r.Item.State == state);

    private static ImmutableArray<InvocationId> Each(IEnumerable<Row> rows, Func<QueueItem, QueueItem> change)
    {
        var ended = ImmutableArray.CreateBuilder<InvocationId>();
        foreach (var row in rows.ToList())
        {
            row.Item = change(row.Item);
            if (!row.Item.State.IsLive())
            {
                ended.Add(row.Item.Id);
            }
        }

        return ended.ToImmutable();
    }

    private Task<T> Do<T>(Func<T> change, Exception? after = null)
    {
        lock (_rows)
        {
            if (Fault is { } fault)
            {
                return Task.FromException<T>(fault);
            }

            var result = change();
            return after is null ? Task.FromResult(result) : Task.FromException<T>(after);
        }
    }

    private Task<T> Look<T>(Func<T> question)
    {
        lock (_rows)
        {
            return Task.FromResult(question());
        }
    }

    /// <summary>A change that begins and stands still.</summary>
    public sealed class Hold
    {
        public TaskCompletionSource Begun { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Go { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class Row
    {
        public required long Sequence { get; init; }

        public required QueueItem Item { get; set; }

        public required byte[] Body { get; set; }

        public List<QueueEdit> Edits { get; } = [];

        /// <summary>The requests before each of <see cref="Edits"/>; the body where it was changed.</summary>
        public List<(QueuedRequest Request, long BodyBytes, byte[]? Body)> Before { get; } = [];

        public IdempotencyKey? Key { get; set; }

        public StoredAnswer? Answer { get; set; }
    }
}
