using System.Collections.Immutable;
using System.Data.Common;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Core.Usage;

namespace Dormouse.Storage.Sql;

/// <summary>The durable queue. Writes go through the one writer: those that wait at the same time share a transaction and a flush.</summary>
internal sealed class SqlQueue(SqlWriter writer, SqlReaders readers, bool isShared) : IQueueStore
{
    private static readonly byte[] PrioritiesInOrder = [1, 2, 3];

    public bool IsShared => isShared;

    public Task<Acceptance> AcceptAsync(NewQueueItem item, long queuedMax, CancellationToken cancellationToken) =>
        writer.RunAsync(session => Accept(session, item, queuedMax), cancellationToken);

    public Task<LeasedItems> LeaseAsync(Guid owner, IReadOnlyList<LeaseWish> wishes, DateTimeOffset now, DateTimeOffset until, CancellationToken cancellationToken) =>
        writer.RunAsync(
            session =>
            {
                var taken = ImmutableArray.CreateBuilder<LeasedItem>();
                DateTimeOffset? next = null;
                foreach (var wish in wishes)
                {
                    foreach (var (row, body) in Due(session, wish, now))
                    {
                        var leased = row.Item.Taken(owner, until);
                        QueueRows.Change(session, row, leased);
                        taken.Add(new LeasedItem(leased, body));
                    }

                    next = Earlier(next, NextDue(session, wish.Endpoint, now));
                }

                return new LeasedItems(taken.ToImmutable(), next);
            },
            cancellationToken);

    public Task<ImmutableArray<QueueLease>> ExtendAsync(IReadOnlyList<QueueLease> leases, DateTimeOffset until, CancellationToken cancellationToken) =>
        writer.RunAsync<ImmutableArray<QueueLease>>(
            session =>
            [
                .. leases.Where(lease => session.Execute(
                    "UPDATE queue_items SET lease_until = $until WHERE id = $id AND fence = $fence AND state = 'leased'",
                    ("$until", StoredTime.ToMicroseconds(until)), ("$id", lease.Id.Value), ("$fence", lease.Fence)) == 0),
            ],
            cancellationToken);

    public Task<bool> EndAsync(QueueLease lease, QueueVerdict verdict, Receipt? receipt, DateTimeOffset now, CancellationToken cancellationToken) =>
        writer.RunAsync(
            session =>
            {
                if (receipt is not null)
                {
                    SqlLedger.Append(session, [receipt]);
                }

                if (QueueRows.Find(session, lease.Id) is not { } row || row.Item.State != QueueState.Leased || row.Item.Fence != lease.Fence)
                {
                    return false;
                }

                var next = row.Item.After(verdict, now);
                QueueRows.Change(session, row, next);
                if (verdict is QueueVerdict.Finished { Answer: { } answer })
                {
                    PutAnswer(session, row.Sequence, answer);
                }

                if (next.State == QueueState.Succeeded)
                {
                    // Nobody will run it again.
                    session.Execute("DELETE FROM queue_bodies WHERE sequence = $sequence", ("$sequence", row.Sequence));
                }

                return true;
            },
            cancellationToken);

    public Task<ImmutableArray<InvocationId>> TakeOverAsync(Guid owner, DateTimeOffset? leasedUntil, DateTimeOffset now, CancellationToken cancellationToken) =>
        writer.RunAsync(
            session => EndEach(
                session,
                session.All(
                    $"SELECT {QueueRows.Columns} FROM queue_items i WHERE i.state = 'leased' AND i.lease_owner <> $owner AND i.lease_until <= $until ORDER BY i.sequence",
                    QueueRows.Read,
                    ("$owner", owner),
                    ("$until", leasedUntil is { } until ? StoredTime.ToMicroseconds(until) : long.MaxValue)),
                item => item.LeaseLost(now)),
            cancellationToken);

    public Task<ImmutableArray<InvocationId>> ReclaimAsync(Guid owner, DateTimeOffset now, CancellationToken cancellationToken) =>
        writer.RunAsync(
            session => EndEach(
                session,
                session.All(
                    $"SELECT {QueueRows.Columns} FROM queue_items i WHERE i.state = 'leased' AND i.lease_owner = $owner ORDER BY i.sequence", QueueRows.Read, ("$owner", owner)),
                item => item.LeaseLost(now)),
            cancellationToken);

    public Task<QueueItem?> CancelAsync(TenantId tenant, InvocationId id, DateTimeOffset now, CancellationToken cancellationToken) =>
        writer.RunAsync(
            session => ChangeOne(session, tenant, id, item => item.State.IsLive() ? item.Ended(QueueState.Cancelled, now, "cancelled by its caller") : item), cancellationToken);

    public Task<ImmutableArray<InvocationId>> CancelAllAsync(EndpointId endpoint, string reason, DateTimeOffset now, int limit, CancellationToken cancellationToken) =>
        writer.RunAsync(
            session => EndEach(
                session,
                session.All(
                    $"""
                    SELECT {QueueRows.Columns} FROM queue_items i
                    WHERE i.endpoint_id = $endpoint AND i.state = 'queued' AND NOT EXISTS (SELECT 1 FROM endpoints e WHERE e.id = i.endpoint_id) LIMIT $limit
                    """,
                    QueueRows.Read, ("$endpoint", endpoint.Value), ("$limit", limit)),
                item => item.Ended(QueueState.Cancelled, now, reason)),
            cancellationToken);

    public Task<QueueItem?> RedriveAsync(TenantId tenant, InvocationId id, DateTimeOffset now, DateTimeOffset expiresAt, CancellationToken cancellationToken) =>
        writer.RunAsync(
            session => ChangeOne(session, tenant, id, item => item.State.IsLive() || item.State == QueueState.Succeeded ? item : item.Redriven(now, expiresAt)), cancellationToken);

    public Task<int> RedriveDeadAsync(TenantId tenant, EndpointId? endpoint, DateTimeOffset now, DateTimeOffset expiresAt, int limit, CancellationToken cancellationToken) =>
        writer.RunAsync(
            session =>
            {
                var dead = session.All(
                    $"""
                    SELECT {QueueRows.Columns} FROM queue_items i
                    WHERE i.tenant_id = $tenant AND i.state = 'dead' {(endpoint is null ? "" : "AND i.endpoint_id = $endpoint")} ORDER BY i.sequence LIMIT $limit
                    """,
                    QueueRows.Read,
                    [("$tenant", tenant.Value), ("$limit", limit), .. endpoint is { } id ? [("$endpoint", (object?)id.Value)] : Array.Empty<(string, object?)>()]);
                foreach (var row in dead)
                {
                    Change(session, row, row.Item.Redriven(now, expiresAt));
                }

                return dead.Count;
            },
            cancellationToken);

    public Task<ImmutableArray<InvocationId>> ExpireAsync(DateTimeOffset now, int limit, CancellationToken cancellationToken) =>
        writer.RunAsync(
            session => EndEach(
                session,
                session.All(
                    $"SELECT {QueueRows.Columns} FROM queue_items i WHERE i.state = 'queued' AND i.expires_at <= $now ORDER BY i.expires_at, i.sequence LIMIT $limit",
                    QueueRows.Read, ("$now", StoredTime.ToMicroseconds(now)), ("$limit", limit)),
                item => item.Ended(QueueState.Expired, now, item.Reason ?? "its time to live passed before it was its turn")),
            cancellationToken);

    public Task<int> SweepAsync(DateTimeOffset endedBefore, DateTimeOffset now, int limit, CancellationToken cancellationToken) =>
        writer.RunAsync(
            session =>
            {
                var old = session.All(
                    $"""
                    SELECT {QueueRows.Columns} FROM queue_items i
                    WHERE i.ended_at IS NOT NULL AND i.ended_at < $before AND (i.idempotency_key IS NULL OR i.idempotency_until <= $now)
                        AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.item_sequence = i.sequence AND d.state = 'pending')
                    ORDER BY i.ended_at, i.sequence LIMIT $limit
                    """,
                    QueueRows.Read, ("$before", StoredTime.ToMicroseconds(endedBefore)), ("$now", StoredTime.ToMicroseconds(now)), ("$limit", limit));
                foreach (var row in old)
                {
                    QueueRows.Remove(session, row);
                }

                return old.Count;
            },
            cancellationToken);

    public Task<QueueItem?> FindAsync(TenantId tenant, InvocationId id, CancellationToken cancellationToken) =>
        readers.ReadAsync(session => QueueRows.Find(session, tenant, id)?.Item, cancellationToken);

    public Task<StoredAnswer?> AnswerAsync(TenantId tenant, InvocationId id, CancellationToken cancellationToken) =>
        readers.ReadAsync(
            session => session.First(
                "SELECT a.status, a.headers, a.body FROM queue_items i JOIN queue_answers a ON a.sequence = i.sequence WHERE i.id = $id AND i.tenant_id = $tenant",
                r => new StoredAnswer(r.GetInt32(0), HeadersJson.Read(r.GetString(1)), r.GetFieldValue<byte[]>(2)),
                ("$id", id.Value), ("$tenant", tenant.Value)),
            cancellationToken);

    public Task<ImmutableArray<ListedItem>> ListAsync(QueueFilter filter, CancellationToken cancellationToken) =>
        readers.ReadAsync<ImmutableArray<ListedItem>>(
            session =>
            [
                .. session.All(
                    $"""
                    SELECT {QueueRows.Columns} FROM queue_items i
                    WHERE i.tenant_id = $tenant {(filter.State is null ? "" : "AND i.state = $state")} {(filter.Endpoint is null ? "" : "AND i.endpoint_id = $endpoint")}
                        AND i.sequence < $before
                    ORDER BY i.sequence DESC LIMIT $limit
                    """,
                    r => QueueRows.Read(r) is var row ? new ListedItem(row.Sequence, row.Item) : null!,
                    [
                        ("$tenant", filter.Tenant.Value),
                        ("$before", filter.Before ?? long.MaxValue),
                        ("$limit", filter.Limit),
                        .. filter.State is { } state ? [("$state", (object?)Codes.QueueStates.Text(state))] : Array.Empty<(string, object?)>(),
                        .. filter.Endpoint is { } id ? [("$endpoint", (object?)id.Value)] : Array.Empty<(string, object?)>(),
                    ]),
            ],
            cancellationToken);

    public Task<ImmutableArray<QueueDepth>> DepthsAsync(DateTimeOffset now, CancellationToken cancellationToken) =>
        readers.ReadAsync<ImmutableArray<QueueDepth>>(
            session =>
            [
                .. session
                    .All(
                        "SELECT endpoint_id, tenant_id, queued, leased, dead FROM queue_depths ORDER BY endpoint_id",
                        r => new QueueDepth(new TenantId(r.GetString(1)), new EndpointId(r.Id(0)), r.GetInt64(2), r.GetInt64(3), r.GetInt64(4), null))
                    .Select(d => d with { OldestDue = Oldest(session, d.Endpoint, now) }),
            ],
            cancellationToken);

    private static Acceptance Accept(SqlSession session, NewQueueItem added, long queuedMax)
    {
        var item = added.Item;
        if (added.Idempotency is { } key)
        {
            var known = session.First(
                $"SELECT {QueueRows.Columns}, i.idempotency_hash, i.idempotency_until FROM queue_items i WHERE i.endpoint_id = $endpoint AND i.idempotency_key = $key",
                r => (Row: (QueueRow?)QueueRows.Read(r), Hash: r.GetFieldValue<byte[]>(QueueRows.ColumnCount), Until: r.Time(QueueRows.ColumnCount + 1)),
                ("$endpoint", item.Endpoint.Value), ("$key", key.Key));
            if (known.Row is { } row && known.Until > item.AcceptedAt)
            {
                if (added.Trigger is { } repeated)
                {
                    SqlTriggers.Fired(session, repeated, row.Item.Id, isNew: false);
                }

                return key.Digest.Span.SequenceEqual(known.Hash) ? new Acceptance.Known(row.Item) : new Acceptance.KeyReused(row.Item.Id);
            }

            if (known.Row is { } over)
            {
                session.Execute(
                    "UPDATE queue_items SET idempotency_key = NULL, idempotency_hash = NULL, idempotency_until = NULL WHERE sequence = $sequence", ("$sequence", over.Sequence));
            }
        }

        var queued = QueueRows.Queued(session, item.Endpoint);
        if (queued >= queuedMax)
        {
            return new Acceptance.Full(queued);
        }

        QueueRows.Insert(session, added);
        if (added.Trigger is { } progress)
        {
            SqlTriggers.Fired(session, progress, item.Id, isNew: true);
        }

        return new Acceptance.Accepted();
    }

    private static List<(QueueRow Row, byte[] Body)> Due(SqlSession session, LeaseWish wish, DateTimeOffset now)
    {
        var due = new List<(QueueRow, byte[])>();
        foreach (var priority in PrioritiesInOrder)
        {
            if (due.Count < wish.Count)
            {
                due.AddRange(session.All(
                    $"""
                    SELECT {QueueRows.Columns}, b.body FROM queue_items i JOIN queue_bodies b ON b.sequence = i.sequence
                    WHERE i.endpoint_id = $endpoint AND i.priority = $priority AND i.state = 'queued' AND i.is_blocked = 0 AND i.not_before <= $now AND i.expires_at > $now
                    ORDER BY i.not_before, i.sequence LIMIT $limit
                    """,
                    r => (QueueRows.Read(r), r.GetFieldValue<byte[]>(QueueRows.ColumnCount)),
                    ("$endpoint", wish.Endpoint.Value),
                    ("$priority", (long)priority),
                    ("$now", StoredTime.ToMicroseconds(now)),
                    ("$limit", wish.Count - due.Count)));
            }
        }

        return due;
    }

    private static DateTimeOffset? NextDue(SqlSession session, EndpointId endpoint, DateTimeOffset now) => PrioritiesInOrder
        .Select(priority => session.First(
            "SELECT MIN(not_before) FROM queue_items WHERE endpoint_id = $endpoint AND priority = $priority AND state = 'queued' AND is_blocked = 0 AND not_before > $now",
            TimeOrNone, ("$endpoint", endpoint.Value), ("$priority", (long)priority), ("$now", StoredTime.ToMicroseconds(now))))
        .Aggregate((DateTimeOffset?)null, Earlier);

    private static DateTimeOffset? Oldest(SqlSession session, EndpointId endpoint, DateTimeOffset now)
    {
        var oldest = PrioritiesInOrder
            .Select(priority => session.First(
                "SELECT MIN(not_before) FROM queue_items WHERE endpoint_id = $endpoint AND priority = $priority AND state = 'queued' AND is_blocked = 0",
                TimeOrNone, ("$endpoint", endpoint.Value), ("$priority", (long)priority)))
            .Aggregate((DateTimeOffset?)null, Earlier);
        return oldest <= now ? oldest : null;
    }

    private static DateTimeOffset? TimeOrNone(DbDataReader reader) => reader.IsDBNull(0) ? null : reader.Time(0);

    private static DateTimeOffset? Earlier(DateTimeOffset? one, DateTimeOffset? other) => one is null || other < one ? other ?? one : one;

    private static QueueItem? ChangeOne(SqlSession session, TenantId tenant, InvocationId id, Func<QueueItem, QueueItem> change)
    {
        if (QueueRows.Find(session, tenant, id) is not { } row)
        {
            return null;
        }

        var next = change(row.Item);
        if (next != row.Item)
        {
            Change(session, row, next);
        }

        return next;
    }

    /// <summary>Changes each and returns those that ended by it.</summary>
    private static ImmutableArray<InvocationId> EndEach(SqlSession session, List<QueueRow> rows, Func<QueueItem, QueueItem> change)
    {
        var ended = ImmutableArray.CreateBuilder<InvocationId>();
        foreach (var row in rows)
        {
            var next = change(row.Item);
            Change(session, row, next);
            if (!next.State.IsLive())
            {
                ended.Add(next.Id);
            }
        }

        return ended.ToImmutable();
    }

    private static void Change(SqlSession session, in QueueRow row, QueueItem next)
    {
        QueueRows.Change(session, row, next);
        if (!row.Item.State.IsLive() && next.State.IsLive())
        {
            session.Execute("DELETE FROM queue_answers WHERE sequence = $sequence", ("$sequence", row.Sequence));
        }
    }

    private static void PutAnswer(SqlSession session, long sequence, StoredAnswer answer) => session.Execute(
        """
        INSERT INTO queue_answers (sequence, status, headers, body) VALUES ($sequence, $status, $headers, $body)
        ON CONFLICT (sequence) DO UPDATE SET status = excluded.status, headers = excluded.headers, body = excluded.body
        """,
        ("$sequence", sequence), ("$status", answer.Status), ("$headers", HeadersJson.Write(answer.Headers)), ("$body", answer.Body.ToArray()));
}
