using System.Collections.Immutable;
using System.Data.Common;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;

namespace Dormouse.Storage.Sql;

/// <summary>Which items are due, and taking them.</summary>
internal static class QueueLeases
{
    private static readonly byte[] PrioritiesInOrder = [1, 2, 3];

    /// <summary>When the earliest of an endpoint's items of each priority may run that may not yet. Each is one step into the index that orders them, however the database guesses their number.</summary>
    private static readonly string NextQuery = string.Join(" UNION ALL ", PrioritiesInOrder.Select(p => $"SELECT not_before FROM ({Earliest("$endpoint", p, "AND not_before > $now")}) p{p}"));

    private static readonly string DepthsQuery =
        $"SELECT d.endpoint_id, d.tenant_id, d.queued, d.leased, d.dead, {string.Join(", ", PrioritiesInOrder.Select(p => $"({Earliest("d.endpoint_id", p, "")})"))} FROM queue_depths d";

    public static LeasedItems Take(SqlSession session, Guid owner, IReadOnlyList<LeaseWish> wishes, DateTimeOffset now, DateTimeOffset until)
    {
        var (taken, changes) = (ImmutableArray.CreateBuilder<LeasedItem>(), new List<QueueChange>());
        DateTimeOffset? next = null;
        foreach (var wish in wishes)
        {
            var due = Due(session, wish, now);
            foreach (var (row, body) in due)
            {
                var leased = row.Item.Taken(owner, until);
                changes.Add(new QueueChange(row, leased));
                taken.Add(new LeasedItem(leased, body));
            }

            if (due.Count < wish.Count)
            {
                next = session
                    .All(NextQuery, r => (DateTimeOffset?)r.Time(0), ("$endpoint", wish.Endpoint.Value), ("$now", StoredTime.ToMicroseconds(now)))
                    .Aggregate(next, Earlier);
            }
        }

        QueueRows.ChangeAll(session, changes);
        return new LeasedItems(taken.ToImmutable(), next);
    }

    public static List<QueueDepth> Depths(SqlSession session, DateTimeOffset now) => session.All($"{DepthsQuery} ORDER BY d.endpoint_id", r => Depth(r, now));

    /// <summary>Null when the endpoint has nothing that waits, runs or is a dead letter.</summary>
    public static QueueDepth? Depth(SqlSession session, EndpointId endpoint, DateTimeOffset now) =>
        session.First($"{DepthsQuery} WHERE d.endpoint_id = $endpoint", r => Depth(r, now), ("$endpoint", endpoint.Value));

    private static QueueDepth Depth(DbDataReader r, DateTimeOffset now)
    {
        var oldest = Enumerable.Range(5, PrioritiesInOrder.Length).Select(c => r.IsDBNull(c) ? null : (DateTimeOffset?)r.Time(c)).Aggregate(Earlier);
        return new QueueDepth(new TenantId(r.GetString(1)), new EndpointId(r.Id(0)), r.GetInt64(2), r.GetInt64(3), r.GetInt64(4), oldest <= now ? oldest : null);
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

    private static string Earliest(string endpoint, byte priority, string condition) =>
        $"SELECT not_before FROM queue_items WHERE endpoint_id = {endpoint} AND priority = {priority} AND state = 'queued' AND is_blocked = 0 {condition} ORDER BY not_before, sequence LIMIT 1";

    private static DateTimeOffset? Earlier(DateTimeOffset? one, DateTimeOffset? other) => one is null || other < one ? other ?? one : one;
}
