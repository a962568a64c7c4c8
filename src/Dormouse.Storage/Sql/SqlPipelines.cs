using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Pipelines;
using Dormouse.Core.Queues;

namespace Dormouse.Storage.Sql;

/// <summary>Runs of pipelines, their parts, and what queued ones go on with.</summary>
internal sealed class SqlPipelines(SqlWriter writer, SqlReaders readers) : IPipelineStore
{
    private const string OutcomesDeletion = "DELETE FROM pipeline_outcomes WHERE run_id = ANY($runs)";

    private const string RevisionsDeletion = "DELETE FROM pipeline_revisions WHERE run_id = ANY($runs)";

    public Task AddAsync(PipelineRecord run, ImmutableArray<PipelinePart> parts, CancellationToken cancellationToken) => writer.RunAsync(
        s =>
        {
            Insert(s, run);
            Put(s, run.Run, parts);
            return true;
        },
        cancellationToken);

    public Task<PipelineMemory> BeginAsync(PipelineRecord run, CancellationToken cancellationToken) => writer.RunAsync(
        s =>
        {
            Insert(s, run);
            Pin(s, run.Run, "", run.Revision.Number);
            var id = ("$run", (object?)run.Run.Value);
            return new PipelineMemory(
                s.All("SELECT prefix, revision FROM pipeline_revisions WHERE run_id = $run", r => KeyValuePair.Create(r.GetString(0), (int)r.GetInt64(1)), id).ToImmutableDictionary(StringComparer.Ordinal),
                s.All(
                    "SELECT key, content_type, body, status, detail, is_retryable FROM pipeline_outcomes WHERE run_id = $run",
                    r => KeyValuePair.Create(
                        r.GetString(0),
                        r.IsDBNull(2)
                            ? CallOutcome.Of(new CallFault((int)r.GetInt64(3), r.Text(4) ?? "", r.Flag(5)))
                            : CallOutcome.Of(new StepData(r.GetFieldValue<byte[]>(2), r.Text(1)))),
                    id).ToImmutableDictionary(StringComparer.Ordinal));
        },
        cancellationToken);

    public Task<bool> PinAsync(QueueLease lease, string prefix, int revision, CancellationToken cancellationToken) => writer.RunAsync(
        s =>
        {
            if (!IsHeld(s, lease))
            {
                return false;
            }

            Pin(s, lease.Id, prefix, revision);
            return true;
        },
        cancellationToken);

    public Task<bool> EndCallAsync(QueueLease lease, string key, CallOutcome? outcome, ImmutableArray<PipelinePart> parts, CancellationToken cancellationToken) => writer.RunAsync(
        s =>
        {
            Put(s, lease.Id, parts);
            if (!IsHeld(s, lease))
            {
                return false;
            }

            if (outcome is not null)
            {
                s.Execute(
                    """
                    INSERT INTO pipeline_outcomes (run_id, key, content_type, body, status, detail, is_retryable) VALUES ($run, $key, $type, $body, $status, $detail, $retryable)
                    ON CONFLICT (run_id, key) DO NOTHING
                    """,
                    ("$run", lease.Id.Value), ("$key", key), ("$type", outcome.Output?.ContentType), ("$body", outcome.Output?.Body.ToArray()), ("$status", outcome.Fault?.Status ?? 200),
                    ("$detail", outcome.Fault?.Detail), ("$retryable", outcome.Fault is { IsRetryable: true } ? 1 : 0));
            }

            return true;
        },
        cancellationToken);

    public Task<(PipelineRecord Run, ImmutableArray<PricedPart> Parts)?> FindAsync(TenantId tenant, InvocationId run, CancellationToken cancellationToken) => readers.ReadAsync(
        s => s.AtOneMoment<(PipelineRecord, ImmutableArray<PricedPart>)?>(() =>
        {
            var found = s.All(
                "SELECT endpoint_id, revision, started_at, run_us, status FROM pipeline_runs WHERE id = $run AND tenant_id = $tenant",
                r => new PipelineRecord(run, tenant, new RevisionId(new EndpointId(r.Id(0)), (int)r.GetInt64(1)), r.Time(2), r.GetInt64(3), r.IsDBNull(4) ? null : (int)r.GetInt64(4)),
                ("$run", run.Value), ("$tenant", tenant.Value));
            return found is [var record]
                ? (record,
                [
                    .. s.All(
                        """
                        SELECT p.key, p.endpoint, p.invocation_id, p.attempt, p.status, p.detail, CAST(COALESCE(SUM(r.metered_us), 0) AS bigint), CAST(COALESCE(SUM(r.billed_ms), 0) AS bigint),
                            CAST(COALESCE(SUM(r.price_pico), 0) AS bigint)
                        FROM pipeline_parts p LEFT JOIN receipts r ON r.tenant_id = $tenant AND r.invocation_id = p.invocation_id
                        WHERE p.run_id = $run GROUP BY p.key, p.endpoint, p.invocation_id, p.attempt, p.status, p.detail, p.number ORDER BY p.number, p.attempt
                        """,
                        r => new PricedPart(
                            new PipelinePart(r.GetString(0), r.GetString(1), new InvocationId(r.Id(2)), (int)r.GetInt64(3), (int)r.GetInt64(4), r.Text(5)), r.GetInt64(6), r.GetInt64(7), r.GetInt64(8)),
                        ("$run", run.Value), ("$tenant", tenant.Value)),
                ])
                : null;
        }),
        cancellationToken);

    /// <summary>The item will not run any more, or runs anew with another input: what it would have gone on with goes.</summary>
    public static void Forget(SqlSession session, IReadOnlyCollection<InvocationId> items)
    {
        if (session.TakesArrays)
        {
            Guid[] runs = [.. items.Select(i => i.Value)];
            session.Later($"WITH outcomes AS ({OutcomesDeletion}) {RevisionsDeletion}", ("$runs", runs));
            return;
        }

        foreach (var item in items)
        {
            session.Later("DELETE FROM pipeline_outcomes WHERE run_id = $run", ("$run", item.Value));
            session.Later("DELETE FROM pipeline_revisions WHERE run_id = $run", ("$run", item.Value));
        }
    }

    /// <summary>The same and <paramref name="other"/>, a statement that returns nothing, as one, where arrays are taken.</summary>
    public static void ForgetAnd(SqlSession session, IReadOnlyCollection<InvocationId> items, string other, (string Name, object? Value) value)
    {
        Guid[] runs = [.. items.Select(i => i.Value)];
        session.Later($"WITH outcomes AS ({OutcomesDeletion}), revisions AS ({RevisionsDeletion}) {other}", ("$runs", runs), value);
    }

    private static void Insert(SqlSession session, PipelineRecord run) => session.Execute(
        """
        INSERT INTO pipeline_runs (id, tenant_id, endpoint_id, revision, started_at, run_us, status) VALUES ($run, $tenant, $endpoint, $revision, $started, $us, $status)
        ON CONFLICT (id) DO NOTHING
        """,
        ("$run", run.Run.Value), ("$tenant", run.Tenant.Value), ("$endpoint", run.Revision.Endpoint.Value), ("$revision", run.Revision.Number),
        ("$started", StoredTime.ToMicroseconds(run.StartedAt)), ("$us", run.RunMicroseconds), ("$status", run.Status));

    private static void Pin(SqlSession session, InvocationId run, string prefix, int revision) => session.Execute(
        "INSERT INTO pipeline_revisions (run_id, prefix, revision) VALUES ($run, $prefix, $revision) ON CONFLICT (run_id, prefix) DO NOTHING",
        ("$run", run.Value), ("$prefix", prefix), ("$revision", revision));

    /// <summary>An attempt that was made again, because the server was lost before it was stored or because the item was, is the same part.</summary>
    private static void Put(SqlSession session, InvocationId run, ImmutableArray<PipelinePart> parts)
    {
        if (parts.IsEmpty)
        {
            return;
        }

        var number = session.First("SELECT COALESCE(MAX(number), 0) FROM pipeline_parts WHERE run_id = $run", r => r.GetInt64(0), ("$run", run.Value));
        foreach (var part in parts)
        {
            session.Execute(
                """
                INSERT INTO pipeline_parts (run_id, key, attempt, number, endpoint, invocation_id, status, detail) VALUES ($run, $key, $attempt, $number, $endpoint, $invocation, $status, $detail)
                ON CONFLICT (run_id, key, attempt) DO UPDATE SET status = excluded.status, detail = excluded.detail, number = excluded.number
                """,
                ("$run", run.Value), ("$key", part.Key), ("$attempt", part.Attempt), ("$number", ++number), ("$endpoint", part.Endpoint), ("$invocation", part.Invocation.Value),
                ("$status", part.Status), ("$detail", part.Detail));
        }
    }

    private static bool IsHeld(SqlSession session, QueueLease lease) =>
        QueueRows.Find(session, lease.Id) is { Item: { State: QueueState.Leased } item } && item.Fence == lease.Fence;
}
