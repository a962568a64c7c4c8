using System.Collections.Immutable;
using Dormouse.Core.Batches;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;

namespace Dormouse.Storage.Sql;

/// <summary>Batch jobs, and the windows between their inputs and results.</summary>
internal sealed class SqlBatches(SqlWriter writer, SqlReaders readers) : IBatchStore
{
    public Task AddAsync(BatchJob job, CancellationToken cancellationToken) => writer.RunAsync(
        s =>
        {
            BatchRows.Insert(s, job);
            return true;
        },
        cancellationToken);

    public Task<BatchJob?> FindAsync(TenantId tenant, BatchId id, CancellationToken cancellationToken) => readers.ReadAsync(
        s => BatchRows.Find(s, id) is { } job && job.Tenant == tenant ? job : null, cancellationToken);

    public Task<ImmutableArray<ListedBatch>> ListAsync(BatchFilter filter, CancellationToken cancellationToken) => readers.ReadAsync<ImmutableArray<ListedBatch>>(
        s =>
        [
            .. s.All(
                $"""
                SELECT {BatchRows.Columns}, number FROM batches
                WHERE tenant_id = $tenant {(filter.State is null ? "" : "AND state = $state")} {(filter.Endpoint is null ? "" : "AND endpoint_id = $endpoint")} AND number < $before
                ORDER BY number DESC LIMIT $limit
                """,
                r => new ListedBatch(r.GetInt64(BatchRows.ColumnCount), BatchRows.Read(r)),
                [
                    ("$tenant", filter.Tenant.Value),
                    ("$before", filter.Before ?? long.MaxValue),
                    ("$limit", filter.Limit),
                    .. filter.State is { } state ? [("$state", (object?)Codes.BatchStates.Text(state))] : Array.Empty<(string, object?)>(),
                    .. filter.Endpoint is { } id ? [("$endpoint", (object?)id.Value)] : Array.Empty<(string, object?)>(),
                ]),
        ],
        cancellationToken);

    public Task<ImmutableArray<BatchJob>> ActiveAsync(Guid owner, CancellationToken cancellationToken) => readers.ReadAsync<ImmutableArray<BatchJob>>(
        s => [.. s.All(
            $"SELECT {BatchRows.Columns} FROM batches WHERE owner = $owner AND (state = 'running' OR fed > succeeded + failures) ORDER BY number", BatchRows.Read, ("$owner", owner))],
        cancellationToken);

    public Task<BatchJob?> ChangeAsync(BatchId id, Func<BatchJob, BatchJob> change, CancellationToken cancellationToken) => writer.RunAsync(
        s =>
        {
            if (BatchRows.Find(s, id) is not { } job)
            {
                return null;
            }

            var next = change(job);
            if (next != job)
            {
                BatchRows.Change(s, next);
            }

            return next;
        },
        cancellationToken);

    public Task<FeedResult> FeedAsync(BatchId id, ImmutableArray<FedBatchItem> items, BatchFeeding fed, long queuedMax, CancellationToken cancellationToken) => writer.RunAsync(
        s =>
        {
            if (BatchRows.Find(s, id) is not { State: BatchState.Running } job || (items is [var first, ..] && first.Number != job.Fed + 1))
            {
                return FeedResult.Stale;
            }

            var waiting = QueueRows.Queued(job.Endpoint);
            s.Ask([waiting]);
            if (waiting.Rows.FirstOrDefault() + items.Count(i => i.Item is not null) > queuedMax)
            {
                return FeedResult.QueueFull;
            }

            // They have no groups.
            QueueRows.InsertAll(s, [.. items.Select(i => i.Item).OfType<NewQueueItem>()]);
            foreach (var item in items)
            {
                s.Later(
                    """
                    INSERT INTO batch_items (batch_id, number, name, invocation_id, body_bytes, fault_code, fault_detail)
                    VALUES ($batch, $number, $name, $invocation, $bytes, $code, $detail)
                    """,
                    ("$batch", id.Value), ("$number", item.Number), ("$name", item.Name), ("$invocation", item.Item is { } sent ? sent.Item.Id.Value : null), ("$bytes", item.Item?.Body.Length ?? 0),
                    ("$code", item.Fault?.Code), ("$detail", item.Fault?.Detail));
            }

            BatchRows.Change(s, job.After(fed));
            return FeedResult.Fed;
        },
        cancellationToken);

    public Task<BatchWindow> WindowAsync(BatchId id, CancellationToken cancellationToken) => readers.ReadAsync(
        s => s.First(
            """
            SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN q.state IN ('queued', 'leased') THEN 1 ELSE 0 END), 0) AS bigint), CAST(COALESCE(SUM(b.body_bytes), 0) AS bigint)
            FROM batch_items b LEFT JOIN queue_items q ON q.id = b.invocation_id WHERE b.batch_id = $batch
            """,
            r => new BatchWindow((int)r.GetInt64(0), (int)r.GetInt64(1), r.GetInt64(2)),
            ("$batch", id.Value)),
        cancellationToken);

    public Task<ImmutableArray<EndedBatchItem>> EndedAsync(BatchId id, int limit, long bytesMax, CancellationToken cancellationToken) => readers.ReadAsync(
        s => s.AtOneMoment(() =>
        {
            var window = s.All(
                "SELECT number, name, invocation_id, fault_code, fault_detail FROM batch_items WHERE batch_id = $batch ORDER BY number LIMIT $limit",
                r => (Number: r.GetInt64(0), Name: r.GetString(1), Invocation: r.IsDBNull(2) ? (Guid?)null : r.Id(2), Fault: r.Text(3) is { } code ? new ItemFault(code, r.Text(4) ?? "") : null),
                ("$batch", id.Value), ("$limit", limit));
            var ended = ImmutableArray.CreateBuilder<EndedBatchItem>();
            var bytes = 0L;
            foreach (var (number, name, invocation, fault) in window)
            {
                var row = invocation is { } found ? QueueRows.Find(s, new InvocationId(found)) : null;
                if (row is { Item.State: QueueState.Queued or QueueState.Leased } || bytes >= bytesMax)
                {
                    break;
                }

                var answer = row is { } has ? Answer(s, has.Sequence) : null;
                var (cost, attempts) = row is { Item: var item } ? Cost(s, item) : (0, 0);
                ended.Add(new EndedBatchItem(number, name, row?.Item, answer, fault, cost, attempts));
                bytes += answer?.Body.Length ?? 0;
            }

            return ended.ToImmutable();
        }),
        cancellationToken);

    public Task<BatchJob?> CollectAsync(BatchId id, BatchCollection collected, DateTimeOffset now, CancellationToken cancellationToken) => writer.RunAsync(
        s =>
        {
            if (BatchRows.Find(s, id) is not { } job)
            {
                return null;
            }

            if (job.Collected + collected.Succeeded + collected.Failed != collected.Through)
            {
                throw new InvalidOperationException($"Batch job {id} has {job.Collected} results; {collected.Succeeded + collected.Failed} more do not lead to {collected.Through}.");
            }

            var through = (("$batch", (object?)id.Value), ("$through", (object?)collected.Through));
            var done = s.All(
                $"""
                SELECT {QueueRows.Columns} FROM queue_items i
                WHERE i.id IN (SELECT invocation_id FROM batch_items WHERE batch_id = $batch AND number <= $through AND invocation_id IS NOT NULL)
                    AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.item_sequence = i.sequence AND d.state = 'pending')
                """,
                QueueRows.Read, through.Item1, through.Item2);
            foreach (var row in done)
            {
                QueueRows.Remove(s, row);
            }

            s.Execute("DELETE FROM batch_items WHERE batch_id = $batch AND number <= $through", through.Item1, through.Item2);
            var next = job.After(collected).Settled(now);
            BatchRows.Change(s, next);
            return next;
        },
        cancellationToken);

    public Task<ImmutableArray<InvocationId>> CancelWindowAsync(BatchId id, DateTimeOffset now, CancellationToken cancellationToken) => writer.RunAsync<ImmutableArray<InvocationId>>(
        s =>
        {
            var live = s.All(
                $"""
                SELECT {QueueRows.Columns} FROM queue_items i
                WHERE i.state IN ('queued', 'leased') AND i.id IN (SELECT invocation_id FROM batch_items WHERE batch_id = $batch AND invocation_id IS NOT NULL) ORDER BY i.sequence
                """,
                QueueRows.Read, ("$batch", id.Value));
            foreach (var row in live)
            {
                QueueRows.Change(s, row, row.Item.Ended(QueueState.Cancelled, now, "its batch job was cancelled"));
            }

            return [.. live.Select(r => r.Item.Id)];
        },
        cancellationToken);

    public Task<bool> RemoveAsync(BatchId id, CancellationToken cancellationToken) => writer.RunAsync(
        s => s.Execute("DELETE FROM batches WHERE id = $id AND ended_at IS NOT NULL AND fed = succeeded + failures", ("$id", id.Value)) > 0, cancellationToken);

    public Task<ImmutableArray<BatchJob>> EndedBeforeAsync(Guid owner, DateTimeOffset before, int limit, CancellationToken cancellationToken) => readers.ReadAsync<ImmutableArray<BatchJob>>(
        s => [.. s.All(
            $"SELECT {BatchRows.Columns} FROM batches WHERE owner = $owner AND ended_at < $before AND fed = succeeded + failures ORDER BY number LIMIT $limit",
            BatchRows.Read, ("$owner", owner), ("$before", StoredTime.ToMicroseconds(before)), ("$limit", limit))],
        cancellationToken);

    private static StoredAnswer? Answer(SqlSession session, long sequence) => session.First(
        "SELECT status, headers, body FROM queue_answers WHERE sequence = $sequence",
        r => new StoredAnswer(r.GetInt32(0), HeadersJson.Read(r.GetString(1)), r.GetFieldValue<byte[]>(2)), ("$sequence", sequence));

    private static (long CostPico, long Attempts) Cost(SqlSession session, QueueItem item) => session.First(
        "SELECT CAST(COALESCE(SUM(price_pico), 0) AS bigint), COUNT(*) FROM receipts WHERE tenant_id = $tenant AND invocation_id = $id",
        r => (r.GetInt64(0), r.GetInt64(1)), ("$tenant", item.Tenant.Value), ("$id", item.Id.Value));
}
