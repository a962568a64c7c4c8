using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Core.Usage;

namespace Dormouse.Storage.Sql;

/// <summary>The durable queue. Writes go through the one writer: those that wait at the same time share a transaction and a flush.</summary>
internal sealed class SqlQueue(SqlWriter writer, SqlReaders readers, bool isShared) : IQueueStore
{
    private static readonly JointBody<NewWish, Acceptance> Accepting = QueueAcceptance.AcceptAll;

    private static readonly JointBody<AttemptOutcome, bool> Ending = QueueEnds.EndAll;

    public bool IsShared => isShared;

    public Task<Acceptance> AcceptAsync(NewQueueItem item, long queuedMax, CancellationToken cancellationToken) =>
        writer.RunAsync(Accepting, new NewWish(item, queuedMax), cancellationToken);

    public Task<LeasedItems> LeaseAsync(Guid owner, IReadOnlyList<LeaseWish> wishes, DateTimeOffset now, DateTimeOffset until, CancellationToken cancellationToken) =>
        writer.RunAsync(session => QueueLeases.Take(session, owner, wishes, now, until), cancellationToken);

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
        writer.RunAsync(Ending, new AttemptOutcome(lease, verdict, receipt, now), cancellationToken);

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

    public Task<EditOutcome?> EditAsync(TenantId tenant, InvocationId id, RequestEdit edit, string by, DateTimeOffset now, CancellationToken cancellationToken) =>
        writer.RunAsync(session => QueueEdits.Apply(session, tenant, id, edit, by, now), cancellationToken);

    public Task<ImmutableArray<QueueEdit>> EditsAsync(TenantId tenant, InvocationId id, CancellationToken cancellationToken) =>
        readers.ReadAsync(session => QueueEdits.Of(session, tenant, id), cancellationToken);

    public Task<WholeRequest?> RequestAsync(TenantId tenant, InvocationId id, int? beforeEdit, CancellationToken cancellationToken) =>
        readers.ReadAsync(session => session.AtOneMoment(() => QueueEdits.Request(session, tenant, id, beforeEdit)), cancellationToken);

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
                        AND NOT EXISTS (SELECT 1 FROM batch_items b WHERE b.invocation_id = i.id)
                    ORDER BY i.ended_at, i.sequence LIMIT $limit
                    """,
                    QueueRows.Read, ("$before", StoredTime.ToMicroseconds(endedBefore)), ("$now", StoredTime.ToMicroseconds(now)), ("$limit", limit));
                foreach (var row in old)
                {
                    QueueRows.Remove(session, row);
                }

                SqlPipelines.Forget(session, [.. old.Select(r => r.Item.Id)]);

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
            session => [.. QueueLeases.Depths(session, now)],
            cancellationToken);

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
            session.Later("DELETE FROM queue_answers WHERE sequence = $sequence", ("$sequence", row.Sequence));
        }
    }
}
