using System.Data.Common;
using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;

namespace Dormouse.Storage.Sql;

/// <param name="Sequence">Its order of acceptance.</param>
internal readonly record struct QueueRow(long Sequence, QueueItem Item);

/// <param name="Use">Where its endpoint reports outcomes; null = it has not been read.</param>
internal readonly record struct QueueChange(QueueRow Row, QueueItem Next, DestinationUse? Use = null);

/// <summary>
/// Queue items as rows. Every change of state goes through <see cref="Change"/>, which keeps what hangs on it in step: the endpoint's counts, whose turn it is in the
/// item's group, and to whom its end is reported.
/// </summary>
internal static class QueueRows
{
    public const string Columns =
        """
        i.sequence, i.id, i.tenant_id, i.endpoint_id, i.method, i.target, i.version, i.headers, i.body_bytes, i.priority, i.group_key, i.accepted_at, i.not_before, i.expires_at,
        i.attempts, i.attempts_max, i.state, i.fence, i.lease_owner, i.lease_until, i.reason, i.ended_at, i.on_success, i.on_failure, i.hops
        """;

    /// <summary>How many <see cref="Columns"/> are; what is read beside them follows.</summary>
    public const int ColumnCount = 25;

    public static QueueRow Read(DbDataReader r) => new(r.GetInt64(0), new QueueItem
    {
        Id = new InvocationId(r.Id(1)),
        Tenant = new TenantId(r.GetString(2)),
        Endpoint = new EndpointId(r.Id(3)),
        Request = new QueuedRequest(r.GetString(4), r.Text(5), r.Text(6), HeadersJson.Read(r.GetString(7))),
        BodyBytes = r.GetInt64(8),
        Priority = Codes.Priorities.TryValue((byte)r.GetInt64(9), out var priority) ? priority : throw new InvalidDataException($"{r.GetInt64(9)} is no stored priority."),
        Group = r.Text(10),
        AcceptedAt = r.Time(11),
        NotBefore = r.Time(12),
        ExpiresAt = r.Time(13),
        Attempts = r.GetInt32(14),
        AttemptsMax = r.GetInt32(15),
        State = Codes.QueueStates.Value(r.GetString(16)),
        Fence = r.GetInt64(17),
        Owner = r.IsDBNull(18) ? null : r.Id(18),
        LeaseUntil = r.IsDBNull(19) ? null : r.Time(19),
        Reason = r.Text(20),
        EndedAt = r.IsDBNull(21) ? null : r.Time(21),
        OnSuccess = r.Text(22),
        OnFailure = r.Text(23),
        Hops = r.GetInt32(24),
    });

    public static QueueRow? Find(SqlSession session, InvocationId id) => session.First(
        $"SELECT {Columns} FROM queue_items i WHERE i.id = $id", r => (QueueRow?)Read(r), ("$id", id.Value));

    public static QueueRow? Find(SqlSession session, TenantId tenant, InvocationId id) =>
        Find(session, id) is { } row && row.Item.Tenant == tenant ? row : null;

    /// <summary>Items as they are, waiting or leased. Of several none has a group: whose turn it is hangs on those before.</summary>
    public static void InsertAll(SqlSession session, IReadOnlyList<NewQueueItem> added)
    {
        if (added.Count > 1 && session.TakesArrays)
        {
            QueueRowSets.Insert(session, added);
        }
        else
        {
            foreach (var one in added)
            {
                Put(session, one);
            }
        }

        Count(session, added.Select(a => (a.Item, One(a.Item, QueueState.Queued), One(a.Item, QueueState.Leased), 0)));
    }

    /// <summary>Writes an item's next state.</summary>
    public static void Change(SqlSession session, in QueueRow row, QueueItem next) => ChangeAll(session, [new QueueChange(row, next)]);

    /// <summary>Writes the next states of items, each of which is there once.</summary>
    public static void ChangeAll(SqlSession session, IReadOnlyList<QueueChange> changes)
    {
        if (changes.Count > 1 && session.TakesArrays)
        {
            QueueRowSets.Update(session, changes);
        }
        else
        {
            foreach (var (row, next, _) in changes)
            {
                Update(session, row.Sequence, next);
            }
        }

        Count(session, changes.Where(c => c.Row.Item.State != c.Next.State).Select(c => (
            c.Next,
            One(c.Next, QueueState.Queued) - One(c.Row.Item, QueueState.Queued),
            One(c.Next, QueueState.Leased) - One(c.Row.Item, QueueState.Leased),
            One(c.Next, QueueState.Dead) - One(c.Row.Item, QueueState.Dead))));
        foreach (var (row, next, use) in changes)
        {
            if (row.Item.State.IsLive() != next.State.IsLive())
            {
                DeliveryRows.ItemChanged(session, row.Sequence, next, use);
            }

            if (next.Group is not null && row.Item.State != next.State && next.State != QueueState.Leased)
            {
                GiveTurn(session, next, row.Sequence);
            }
        }
    }

    /// <summary>Asks how many of an endpoint's items wait; no row = none.</summary>
    public static SqlQuestion<long> Queued(EndpointId endpoint) => new("SELECT queued FROM queue_depths WHERE endpoint_id = $endpoint", r => r.GetInt64(0), ("$endpoint", endpoint.Value));

    public static void Remove(SqlSession session, in QueueRow row)
    {
        session.Later("DELETE FROM queue_items WHERE sequence = $sequence", ("$sequence", row.Sequence));
        // That of one that succeeded is gone; PostgreSQL does not remove the others' with their items.
        if (row.Item.State != QueueState.Succeeded)
        {
            session.Later("DELETE FROM queue_bodies WHERE sequence = $sequence", ("$sequence", row.Sequence));
        }

        if (row.Item.State == QueueState.Dead)
        {
            Count(session, [(row.Item, 0, 0, -1)]);
        }
    }

    private static void Update(SqlSession session, long sequence, QueueItem next) => session.Later(
        """
        UPDATE queue_items SET not_before = $before, expires_at = $expires, attempts = $attempts, state = $state, fence = $fence, lease_owner = $owner, lease_until = $until,
            reason = $reason, ended_at = $ended WHERE sequence = $sequence
        """,
        ("$before", StoredTime.ToMicroseconds(next.NotBefore)),
        ("$expires", StoredTime.ToMicroseconds(next.ExpiresAt)),
        ("$attempts", next.Attempts),
        ("$state", Codes.QueueStates.Text(next.State)),
        ("$fence", next.Fence),
        ("$owner", next.Owner is { } owner ? owner : null),
        ("$until", next.LeaseUntil is { } until ? StoredTime.ToMicroseconds(until) : null),
        ("$reason", next.Reason),
        ("$ended", next.EndedAt is { } ended ? StoredTime.ToMicroseconds(ended) : null),
        ("$sequence", sequence));

    private static void Put(SqlSession session, NewQueueItem added)
    {
        var (item, key) = (added.Item, added.Idempotency);
        session.Later(
            """
            INSERT INTO queue_items (
                id, tenant_id, endpoint_id, method, target, version, headers, body_bytes, priority, group_key, accepted_at, not_before, expires_at,
                attempts, attempts_max, state, is_blocked, fence, lease_owner, lease_until, idempotency_key, idempotency_hash, idempotency_until, on_success, on_failure, hops)
            VALUES (
                $id, $tenant, $endpoint, $method, $target, $version, $headers, $bytes, $priority, $group, $accepted, $before, $expires, $attempts, $max, $state,
                CASE WHEN EXISTS (SELECT 1 FROM queue_items WHERE endpoint_id = $endpoint AND group_key = $group AND state IN ('queued', 'leased')) THEN 1 ELSE 0 END,
                $fence, $owner, $lease, $key, $hash, $until, $on_success, $on_failure, $hops)
            """,
            ("$id", item.Id.Value),
            ("$tenant", item.Tenant.Value),
            ("$endpoint", item.Endpoint.Value),
            ("$method", item.Request.Method),
            ("$target", item.Request.Target),
            ("$version", item.Request.Version),
            ("$headers", HeadersJson.Write(item.Request.Headers)),
            ("$bytes", item.BodyBytes),
            ("$priority", (long)Codes.Priorities.Code(item.Priority)),
            ("$group", item.Group),
            ("$accepted", StoredTime.ToMicroseconds(item.AcceptedAt)),
            ("$before", StoredTime.ToMicroseconds(item.NotBefore)),
            ("$expires", StoredTime.ToMicroseconds(item.ExpiresAt)),
            ("$attempts", item.Attempts),
            ("$max", item.AttemptsMax),
            ("$state", Codes.QueueStates.Text(item.State)),
            ("$fence", item.Fence),
            ("$owner", item.Owner is { } owner ? owner : null),
            ("$lease", item.LeaseUntil is { } lease ? StoredTime.ToMicroseconds(lease) : null),
            ("$key", key?.Key),
            ("$hash", key?.Digest.ToArray()),
            ("$until", key is null ? null : StoredTime.ToMicroseconds(key.Until)),
            ("$on_success", item.OnSuccess),
            ("$on_failure", item.OnFailure),
            ("$hops", item.Hops));
        session.Later(
            "INSERT INTO queue_bodies (sequence, body) SELECT sequence, $body FROM queue_items WHERE id = $id", ("$body", added.Body.ToArray()), ("$id", item.Id.Value));
    }

    /// <summary>
    /// The earliest live item of the group is the one to be taken, unless one of them is leased. That is the changed one or the first, and who was before that stands right behind it;
    /// the rest of the group, however long, is blocked as it was.
    /// </summary>
    private static void GiveTurn(SqlSession session, QueueItem changed, long sequence)
    {
        const string OfGroup = "endpoint_id = $endpoint AND group_key = $group AND state IN ('queued', 'leased')";
        var (endpoint, group) = (changed.Endpoint.Value, changed.Group);
        var heads = session.All($"SELECT sequence FROM queue_items WHERE {OfGroup} ORDER BY sequence LIMIT 2", r => r.GetInt64(0), ("$endpoint", endpoint), ("$group", group));
        if (heads is not [var first, ..])
        {
            return;
        }

        var isRunning = session.Has(
            "SELECT 1 FROM queue_items WHERE endpoint_id = $endpoint AND group_key = $group AND state = 'leased' LIMIT 1", ("$endpoint", endpoint), ("$group", group));
        foreach (var place in (ReadOnlySpan<long>)[sequence, heads[^1], first])
        {
            session.Later(
                "UPDATE queue_items SET is_blocked = $blocked WHERE sequence = $sequence", ("$blocked", One(place != first || isRunning)), ("$sequence", place));
        }
    }

    /// <summary>Adds to the counts of endpoints, once for each.</summary>
    private static void Count(SqlSession session, IEnumerable<(QueueItem Item, int Queued, int Leased, int Dead)> changes)
    {
        var sums = new Dictionary<EndpointId, (TenantId Tenant, int Queued, int Leased, int Dead)>();
        foreach (var (item, queued, leased, dead) in changes)
        {
            var sum = sums.GetValueOrDefault(item.Endpoint);
            sums[item.Endpoint] = (item.Tenant, sum.Queued + queued, sum.Leased + leased, sum.Dead + dead);
        }

        foreach (var (endpoint, (tenant, queued, leased, dead)) in sums)
        {
            session.Later(
                """
                INSERT INTO queue_depths (endpoint_id, tenant_id, queued, leased, dead) VALUES ($endpoint, $tenant, $queued, $leased, $dead)
                ON CONFLICT (endpoint_id) DO UPDATE SET
                    queued = queue_depths.queued + $queued, leased = queue_depths.leased + $leased, dead = queue_depths.dead + $dead
                """,
                ("$endpoint", endpoint.Value), ("$tenant", tenant.Value), ("$queued", queued), ("$leased", leased), ("$dead", dead));
            if (queued + leased + dead < 0)
            {
                session.Later("DELETE FROM queue_depths WHERE endpoint_id = $endpoint AND queued = 0 AND leased = 0 AND dead = 0", ("$endpoint", endpoint.Value));
            }
        }
    }

    private static int One(QueueItem item, QueueState state) => One(item.State == state);

    private static int One(bool isTrue) => isTrue ? 1 : 0;
}
