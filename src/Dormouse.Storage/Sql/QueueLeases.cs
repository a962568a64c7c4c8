using System.Collections.Immutable;
using System.Data.Common;
using System.Numerics;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;

namespace Dormouse.Storage.Sql;

/// <summary>Which items are due, and taking them.</summary>
internal static class QueueLeases
{
    private static readonly byte[] PrioritiesInOrder = [1, 2, 3];

    /// <summary>When the earliest of an endpoint's items of each priority may run that may not yet. Each is one step into the index that orders them, however the database guesses their number.</summary>
    private static readonly string NextQuery = string.Join(" UNION ALL ", PrioritiesInOrder.Select(p => $"SELECT not_before FROM ({Earliest("$endpoint", p, "AND not_before > $now")}) p{p}"));

    /// <summary>For at most 1, 2, 4 … 1,024 items.</summary>
    private static readonly string[] DueSetQueries = [.. Enumerable.Range(0, 11).Select(p => DueSetQuery(1 << p))];

    private static readonly string DepthsQuery =
        $"SELECT d.endpoint_id, d.tenant_id, d.queued, d.leased, d.dead, {string.Join(", ", PrioritiesInOrder.Select(p => $"({Earliest("d.endpoint_id", p, "")})"))} FROM queue_depths d";

    public static LeasedItems Take(SqlSession session, Guid owner, IReadOnlyList<LeaseWish> wishes, DateTimeOffset now, DateTimeOffset until)
    {
        var (taken, changes) = (ImmutableArray.CreateBuilder<LeasedItem>(), new List<QueueChange>());
        DateTimeOffset? next = null;
        foreach (var (due, nextDue) in session.TakesArrays ? FindTogether(session, wishes, now) : wishes.Select(w => Find(session, w, now)))
        {
            foreach (var (row, body) in due)
            {
                var leased = row.Item.Taken(owner, until);
                changes.Add(new QueueChange(row, leased));
                taken.Add(new LeasedItem(leased, body));
            }

            next = Earlier(next, nextDue);
        }

        QueueRows.ChangeAll(session, changes);
        return new LeasedItems(taken.ToImmutable(), next);
    }

    public static List<QueueDepth> Depths(SqlSession session, DateTimeOffset now) => session.All($"{DepthsQuery} ORDER BY d.endpoint_id", r => Depth(r, now));

    /// <summary>Asks for one endpoint's; no row when it has nothing that waits, runs or is a dead letter.</summary>
    public static SqlQuestion<QueueDepth> Depth(EndpointId endpoint, DateTimeOffset now) =>
        new($"{DepthsQuery} WHERE d.endpoint_id = $endpoint", r => Depth(r, now), ("$endpoint", endpoint.Value));

    private static QueueDepth Depth(DbDataReader r, DateTimeOffset now)
    {
        var oldest = Enumerable.Range(5, PrioritiesInOrder.Length).Select(c => r.IsDBNull(c) ? null : (DateTimeOffset?)r.Time(c)).Aggregate(Earlier);
        return new QueueDepth(new TenantId(r.GetString(1)), new EndpointId(r.Id(0)), r.GetInt64(2), r.GetInt64(3), r.GetInt64(4), oldest <= now ? oldest : null);
    }

    /// <summary>Each priority is looked at only while there is room, and the next time only when there is some left.</summary>
    private static Found Find(SqlSession session, LeaseWish wish, DateTimeOffset now)
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
                    ReadDue,
                    ("$endpoint", wish.Endpoint.Value),
                    ("$priority", (long)priority),
                    ("$now", StoredTime.ToMicroseconds(now)),
                    ("$limit", wish.Count - due.Count)));
            }
        }

        if (due.Count == wish.Count)
        {
            return new Found(due, null);
        }

        var next = Next(wish, now);
        session.Ask([next]);
        return new Found(due, next.Rows.Aggregate((DateTimeOffset?)null, Earlier));
    }

    /// <summary>The same in one trip: all priorities of all wishes, and the next times whether they are needed or not.</summary>
    private static IEnumerable<Found> FindTogether(SqlSession session, IReadOnlyList<LeaseWish> wishes, DateTimeOffset now)
    {
        var asked = wishes.Select(w => (Wish: w, Due: Due(w, now), Next: Next(w, now))).ToList();
        session.Ask([.. asked.SelectMany(a => (SqlQuestion[])[a.Due, a.Next])]);
        return asked.Select(a => new Found(a.Due.Rows, a.Due.Rows.Count < a.Wish.Count ? a.Next.Rows.Aggregate((DateTimeOffset?)null, Earlier) : null));
    }

    private static SqlQuestion<(QueueRow Row, byte[] Body)> Due(LeaseWish wish, DateTimeOffset now) => new(
        DueSetQueries[Math.Min(DueSetQueries.Length - 1, BitOperations.Log2(BitOperations.RoundUpToPowerOf2((uint)wish.Count)))],
        ReadDue, ("$endpoint", wish.Endpoint.Value), ("$now", StoredTime.ToMicroseconds(now)), ("$limit", wish.Count));

    private static SqlQuestion<DateTimeOffset?> Next(LeaseWish wish, DateTimeOffset now) => new(
        NextQuery, r => (DateTimeOffset?)r.Time(0), ("$endpoint", wish.Endpoint.Value), ("$now", StoredTime.ToMicroseconds(now)));

    private static (QueueRow Row, byte[] Body) ReadDue(DbDataReader r) => (QueueRows.Read(r), r.GetFieldValue<byte[]>(QueueRows.ColumnCount));

    /// <summary>What is due of all priorities, their order among them. The limit within is a number and not a value, so that one plan does for all of that size and the database need not make one for each.</summary>
    private static string DueSetQuery(int within)
    {
        const string Due = "AND not_before <= $now AND expires_at > $now";
        var parts = PrioritiesInOrder.Select(p => $"(SELECT sequence, priority, not_before FROM queue_items WHERE {Waiting("$endpoint", p, Due)} LIMIT {within})");
        return
            $"""
            SELECT {QueueRows.Columns}, b.body
            FROM (SELECT sequence FROM ({string.Join(" UNION ALL ", parts)}) p ORDER BY priority, not_before, sequence LIMIT $limit) d
                JOIN queue_items i ON i.sequence = d.sequence JOIN queue_bodies b ON b.sequence = d.sequence
            ORDER BY i.priority, i.not_before, i.sequence
            """;
    }

    private static string Earliest(string endpoint, byte priority, string condition) => $"SELECT not_before FROM queue_items WHERE {Waiting(endpoint, priority, condition)} LIMIT 1";

    /// <summary>Condition and order of the index of what may be taken.</summary>
    private static string Waiting(string endpoint, byte priority, string condition) =>
        $"endpoint_id = {endpoint} AND priority = {priority} AND state = 'queued' AND is_blocked = 0 {condition} ORDER BY not_before, sequence";

    private static DateTimeOffset? Earlier(DateTimeOffset? one, DateTimeOffset? other) => one is null || other < one ? other ?? one : one;

    /// <param name="NextDue">When the next one is due, where fewer are due than were wished.</param>
    private readonly record struct Found(List<(QueueRow Row, byte[] Body)> Due, DateTimeOffset? NextDue);
}
