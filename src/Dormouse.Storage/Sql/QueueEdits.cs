using System.Collections.Immutable;
using System.Data.Common;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;

namespace Dormouse.Storage.Sql;

/// <summary>Requests of ended items that were changed: by whom, and what they were.</summary>
internal static class QueueEdits
{
    public static EditOutcome? Apply(SqlSession session, TenantId tenant, InvocationId id, RequestEdit edit, string by, DateTimeOffset now)
    {
        if (QueueRows.Find(session, tenant, id) is not { } row)
        {
            return null;
        }

        var count = (int)session.Number("SELECT COUNT(*) FROM queue_edits WHERE sequence = $sequence", ("$sequence", row.Sequence));
        var outcome = EditRule.Apply(row.Item, edit, count);
        if (outcome is not EditOutcome.Edited { Item: var next })
        {
            return outcome;
        }

        var before = row.Item;
        session.Execute(
            """
            INSERT INTO queue_edits (sequence, number, edited_by, edited_at, changes, target, headers, body_bytes, body)
            VALUES ($sequence, $number, $by, $at, $changes, $target, $headers, $bytes, $body)
            """,
            ("$sequence", row.Sequence), ("$number", count + 1), ("$by", by), ("$at", StoredTime.ToMicroseconds(now)), ("$changes", string.Join(',', edit.Changes)),
            ("$target", before.Request.Target), ("$headers", HeadersJson.Write(before.Request.Headers)), ("$bytes", before.BodyBytes), ("$body", edit.Body is null ? null : Body(session, row.Sequence) ?? []));
        session.Execute(
            "UPDATE queue_items SET target = $target, headers = $headers, body_bytes = $bytes WHERE sequence = $sequence",
            ("$target", next.Request.Target), ("$headers", HeadersJson.Write(next.Request.Headers)), ("$bytes", next.BodyBytes), ("$sequence", row.Sequence));
        if (edit.Body is { } body)
        {
            session.Execute("UPDATE queue_bodies SET body = $body WHERE sequence = $sequence", ("$body", body.ToArray()), ("$sequence", row.Sequence));
        }

        // What steps of a pipeline made of another input is nothing to go on with.
        SqlPipelines.Forget(session, [id]);

        return outcome;
    }

    public static ImmutableArray<QueueEdit> Of(SqlSession session, TenantId tenant, InvocationId id) => QueueRows.Find(session, tenant, id) is { } row
        ? [.. session.All(
            "SELECT number, edited_by, edited_at, changes, body_bytes FROM queue_edits WHERE sequence = $sequence ORDER BY number",
            r => new QueueEdit(r.GetInt32(0), r.GetString(1), r.Time(2), [.. r.GetString(3).Split(',')], r.GetInt64(4)), ("$sequence", row.Sequence))]
        : [];

    public static WholeRequest? Request(SqlSession session, TenantId tenant, InvocationId id, int? beforeEdit)
    {
        if (QueueRows.Find(session, tenant, id) is not { } row)
        {
            return null;
        }

        if (beforeEdit is not { } number)
        {
            return Whole(row.Item.Request, row.Item.BodyBytes, Body(session, row.Sequence));
        }

        var before = session.First(
            "SELECT target, headers, body_bytes FROM queue_edits WHERE sequence = $sequence AND number = $number",
            r => (Request: row.Item.Request with { Target = r.Text(0), Headers = HeadersJson.Read(r.GetString(1)) }, Bytes: r.GetInt64(2)), ("$sequence", row.Sequence), ("$number", number));
        if (before.Request is null)
        {
            return null;
        }

        // The first edit from here on that changed the body has what it was; when none did it is still that.
        var body = session.First(
            "SELECT body FROM queue_edits WHERE sequence = $sequence AND number >= $number AND body IS NOT NULL ORDER BY number LIMIT 1",
            Bytes, ("$sequence", row.Sequence), ("$number", number));
        return Whole(before.Request, before.Bytes, body ?? Body(session, row.Sequence));
    }

    private static WholeRequest Whole(QueuedRequest request, long bytes, byte[]? body) => new(request, bytes, body is null ? (ReadOnlyMemory<byte>?)null : body);

    private static byte[]? Body(SqlSession session, long sequence) =>
        session.First("SELECT body FROM queue_bodies WHERE sequence = $sequence", Bytes, ("$sequence", sequence));

    private static byte[] Bytes(DbDataReader row) => row.GetFieldValue<byte[]>(0);
}
