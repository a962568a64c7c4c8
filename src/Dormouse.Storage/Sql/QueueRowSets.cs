using Dormouse.Core.Queues;

namespace Dormouse.Storage.Sql;

/// <summary>Many items in one statement, for a database that is a trip away.</summary>
internal static class QueueRowSets
{
    /// <summary>Most items of one statement, and about the most bytes of their bodies: both lie in memory twice while it runs.</summary>
    private const int ItemsMax = 256;

    private const long BytesMax = 4 << 20;

    /// <summary>Their numbers are drawn first, so that items and bodies need not be brought together again.</summary>
    private const string Insertion =
        """
        WITH given AS (
            SELECT nextval('queue_items_sequence_seq') AS sequence, g.* FROM unnest(
                $id, $tenant, $endpoint, $method, $target, $version, $headers, $bytes, $priority, $accepted, $before, $expires, $attempts, $max, $state, $fence, $owner, $lease,
                $key, $hash, $until, $on_success, $on_failure, $hops, $body)
                AS g (
                    id, tenant_id, endpoint_id, method, target, version, headers, body_bytes, priority, accepted_at, not_before, expires_at, attempts, attempts_max, state, fence,
                    lease_owner, lease_until, idempotency_key, idempotency_hash, idempotency_until, on_success, on_failure, hops, body)
        ), added AS (
            INSERT INTO queue_items (
                sequence, id, tenant_id, endpoint_id, method, target, version, headers, body_bytes, priority, accepted_at, not_before, expires_at, attempts, attempts_max, state, is_blocked, fence,
                lease_owner, lease_until, idempotency_key, idempotency_hash, idempotency_until, on_success, on_failure, hops)
            SELECT
                sequence, id, tenant_id, endpoint_id, method, target, version, headers, body_bytes, priority, accepted_at, not_before, expires_at, attempts, attempts_max, state, 0, fence,
                lease_owner, lease_until, idempotency_key, idempotency_hash, idempotency_until, on_success, on_failure, hops
            FROM given
        )
        INSERT INTO queue_bodies (sequence, body) SELECT sequence, body FROM given
        """;

    /// <param name="added">Without group.</param>
    public static void Insert(SqlSession session, IReadOnlyList<NewQueueItem> added)
    {
        foreach (var set in Sets(added, a => a.Body.Length))
        {
            session.Later(
                Insertion,
                ("$id", Each(set, a => a.Item.Id.Value)),
                ("$tenant", Each(set, a => a.Item.Tenant.Value)),
                ("$endpoint", Each(set, a => a.Item.Endpoint.Value)),
                ("$method", Each(set, a => a.Item.Request.Method)),
                ("$target", Each(set, a => a.Item.Request.Target)),
                ("$version", Each(set, a => a.Item.Request.Version)),
                ("$headers", Each(set, a => HeadersJson.Write(a.Item.Request.Headers))),
                ("$bytes", Each(set, a => a.Item.BodyBytes)),
                ("$priority", Each(set, a => (long)Codes.Priorities.Code(a.Item.Priority))),
                ("$accepted", Each(set, a => StoredTime.ToMicroseconds(a.Item.AcceptedAt))),
                ("$before", Each(set, a => StoredTime.ToMicroseconds(a.Item.NotBefore))),
                ("$expires", Each(set, a => StoredTime.ToMicroseconds(a.Item.ExpiresAt))),
                ("$attempts", Each(set, a => (long)a.Item.Attempts)),
                ("$max", Each(set, a => (long)a.Item.AttemptsMax)),
                ("$state", Each(set, a => Codes.QueueStates.Text(a.Item.State))),
                ("$fence", Each(set, a => a.Item.Fence)),
                ("$owner", Each(set, a => a.Item.Owner)),
                ("$lease", Each(set, a => Micros(a.Item.LeaseUntil))),
                ("$key", Each(set, a => a.Idempotency?.Key)),
                ("$hash", Each(set, a => a.Idempotency?.Digest.ToArray())),
                ("$until", Each(set, a => Micros(a.Idempotency?.Until))),
                ("$on_success", Each(set, a => a.Item.OnSuccess)),
                ("$on_failure", Each(set, a => a.Item.OnFailure)),
                ("$hops", Each(set, a => (long)a.Item.Hops)),
                ("$body", Each(set, a => a.Body.ToArray())));
        }
    }

    public static void Update(SqlSession session, IReadOnlyList<QueueChange> changes) => session.Later(
        """
        UPDATE queue_items i SET not_before = g.not_before, expires_at = g.expires_at, attempts = g.attempts, state = g.state, fence = g.fence, lease_owner = g.lease_owner,
            lease_until = g.lease_until, reason = g.reason, ended_at = g.ended_at
        FROM unnest($sequence, $before, $expires, $attempts, $state, $fence, $owner, $until, $reason, $ended)
            AS g (sequence, not_before, expires_at, attempts, state, fence, lease_owner, lease_until, reason, ended_at)
        WHERE i.sequence = g.sequence
        """,
        ("$sequence", Each(changes, c => c.Row.Sequence)),
        ("$before", Each(changes, c => StoredTime.ToMicroseconds(c.Next.NotBefore))),
        ("$expires", Each(changes, c => StoredTime.ToMicroseconds(c.Next.ExpiresAt))),
        ("$attempts", Each(changes, c => (long)c.Next.Attempts)),
        ("$state", Each(changes, c => Codes.QueueStates.Text(c.Next.State))),
        ("$fence", Each(changes, c => c.Next.Fence)),
        ("$owner", Each(changes, c => c.Next.Owner)),
        ("$until", Each(changes, c => Micros(c.Next.LeaseUntil))),
        ("$reason", Each(changes, c => c.Next.Reason)),
        ("$ended", Each(changes, c => Micros(c.Next.EndedAt))));

    public static void PutAnswers(SqlSession session, IReadOnlyList<(long Sequence, StoredAnswer Answer)> answers)
    {
        foreach (var set in Sets(answers, a => a.Answer.Body.Length))
        {
            session.Later(
                """
                INSERT INTO queue_answers (sequence, status, headers, body) SELECT * FROM unnest($sequence, $status, $headers, $body)
                ON CONFLICT (sequence) DO UPDATE SET status = excluded.status, headers = excluded.headers, body = excluded.body
                """,
                ("$sequence", Each(set, a => a.Sequence)),
                ("$status", Each(set, a => (long)a.Answer.Status)),
                ("$headers", Each(set, a => HeadersJson.Write(a.Answer.Headers))),
                ("$body", Each(set, a => a.Answer.Body.ToArray())));
        }
    }

    private static long? Micros(DateTimeOffset? time) => time is { } known ? StoredTime.ToMicroseconds(known) : null;

    private static T[] Each<TRow, T>(IReadOnlyList<TRow> rows, Func<TRow, T> value) => [.. rows.Select(value)];

    private static IEnumerable<IReadOnlyList<T>> Sets<T>(IReadOnlyList<T> rows, Func<T, long> bytesOf)
    {
        var set = new List<T>();
        var bytes = 0L;
        foreach (var row in rows)
        {
            if (set.Count == ItemsMax || (set.Count > 0 && bytes + bytesOf(row) > BytesMax))
            {
                yield return set;
                (set, bytes) = ([], 0);
            }

            set.Add(row);
            bytes += bytesOf(row);
        }

        if (set.Count > 0)
        {
            yield return set;
        }
    }
}
