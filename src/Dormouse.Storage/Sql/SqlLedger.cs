using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;

namespace Dormouse.Storage.Sql;

/// <summary>Receipts and their totals, written in one transaction.</summary>
internal sealed class SqlLedger(SqlWriter writer, SqlReaders readers) : ILedger
{
    public Task AppendAsync(IReadOnlyList<Receipt> receipts, CancellationToken cancellationToken) =>
        writer.RunAsync(session => Append(session, receipts), cancellationToken);

    public Task<Receipt?> FindAsync(TenantId tenant, InvocationId invocation, CancellationToken cancellationToken) =>
        readers.ReadAsync(
            s => s.First(
                $"SELECT {ReceiptRows.Columns} FROM receipts WHERE tenant_id = $tenant AND invocation_id = $invocation ORDER BY started_at DESC, sequence DESC LIMIT 1",
                ReceiptRows.Read,
                ("$tenant", tenant.Value),
                ("$invocation", invocation.Value)),
            cancellationToken);

    public Task<ImmutableArray<Receipt>> RecentAsync(TenantId tenant, EndpointId? endpoint, int limit, CancellationToken cancellationToken)
    {
        const string Order = "ORDER BY started_at DESC, server_id DESC, sequence DESC LIMIT $limit";
        return readers.ReadAsync<ImmutableArray<Receipt>>(
            s =>
            [
                .. endpoint is { } id
                    ? s.All(
                        $"SELECT {ReceiptRows.Columns} FROM receipts WHERE tenant_id = $tenant AND endpoint_id = $endpoint {Order}",
                        ReceiptRows.Read,
                        ("$tenant", tenant.Value),
                        ("$endpoint", id.Value),
                        ("$limit", Math.Max(0, limit)))
                    : s.All(
                        $"SELECT {ReceiptRows.Columns} FROM receipts WHERE tenant_id = $tenant {Order}",
                        ReceiptRows.Read,
                        ("$tenant", tenant.Value),
                        ("$limit", Math.Max(0, limit))),
            ],
            cancellationToken);
    }

    public Task<ImmutableArray<Receipt>> PageAsync(
        TenantId tenant, EndpointId? endpoint, DateTimeOffset from, DateTimeOffset to, ReceiptPosition? after, int limit, CancellationToken cancellationToken)
    {
        // Without a last one, a place before all others of its time: no server has the empty id.
        var last = after ?? new ReceiptPosition(from, Guid.Empty, -1);
        return readers.ReadAsync<ImmutableArray<Receipt>>(
            s =>
            [
                .. s.All(
                    $"""
                    SELECT {ReceiptRows.Columns} FROM receipts
                    WHERE tenant_id = $tenant AND started_at >= $last AND started_at < $to {(endpoint is null ? "" : "AND endpoint_id = $endpoint")}
                    AND (started_at, server_id, sequence) > ($last, $server, $sequence)
                    ORDER BY started_at, server_id, sequence LIMIT $limit
                    """,
                    ReceiptRows.Read,
                    [
                        ("$tenant", tenant.Value),
                        ("$last", StoredTime.ToMicroseconds(last.StartedAt > from ? last.StartedAt : from)),
                        ("$to", StoredTime.ToMicroseconds(to)),
                        ("$server", last.ServerId),
                        ("$sequence", last.Sequence),
                        ("$limit", Math.Max(0, limit)),
                        .. endpoint is { } id ? [("$endpoint", (object?)id.Value)] : Array.Empty<(string, object?)>(),
                    ]),
            ],
            cancellationToken);
    }

    public Task<ImmutableArray<UsageTotal>> TotalsAsync(
        TenantId tenant, EndpointId? endpoint, DateTimeOffset from, DateTimeOffset to, CancellationToken cancellationToken) =>
        readers.ReadAsync<ImmutableArray<UsageTotal>>(
            s =>
            [
                .. s.All(
                    $"""
                    SELECT {TotalRows.Columns} FROM usage_totals
                    WHERE tenant_id = $tenant AND hour >= $from AND hour < $to {(endpoint is null ? "" : "AND endpoint_id = $endpoint")}
                    ORDER BY hour, endpoint_id, line
                    """,
                    r => TotalRows.Total(TotalRows.Key(r), TotalRows.Sum(r)),
                    [
                        ("$tenant", tenant.Value),
                        ("$from", StoredTime.ToMicroseconds(from)),
                        ("$to", StoredTime.ToMicroseconds(to)),
                        .. endpoint is { } id ? [("$endpoint", (object?)id.Value)] : Array.Empty<(string, object?)>(),
                    ]),
            ],
            cancellationToken);

    public Task<string?> EndpointNameAsync(EndpointId endpoint, CancellationToken cancellationToken) =>
        readers.ReadAsync(
            s => s.First("SELECT name FROM endpoint_names WHERE endpoint_id = $id", r => r.GetString(0), ("$id", endpoint.Value)),
            cancellationToken);

    public Task<string?> OverflowHostAsync(RevisionId revision, CancellationToken cancellationToken) =>
        readers.ReadAsync(
            s => s.First(
                "SELECT host FROM overflow_hosts WHERE endpoint_id = $id AND number = $number",
                r => r.GetString(0),
                ("$id", revision.Endpoint.Value),
                ("$number", revision.Number)),
            cancellationToken);

    public Task<ImmutableArray<string>> CheckAsync(DateTimeOffset? since, CancellationToken cancellationToken) =>
        readers.ReadAsync(
            // One moment, so that both sides are of it.
            session => session.AtOneMoment(
                () => Check(session, since is { } time ? StoredTime.HourOf(StoredTime.ToMicroseconds(time)) : long.MinValue, cancellationToken)),
            cancellationToken);

    /// <summary>Highest sequence of a server's receipts; 0 when it has none.</summary>
    public Task<long> LastSequenceAsync(Guid serverId, CancellationToken cancellationToken) =>
        readers.ReadAsync(
            s => s.Number("SELECT COALESCE(MAX(sequence), 0) FROM receipts WHERE server_id = $server", ("$server", serverId)),
            cancellationToken);

    /// <summary>Receipts and totals as part of a larger transaction. Returns how many totals changed.</summary>
    /// <param name="also">What its caller asks as well: where that saves a trip they are asked together.</param>
    internal static int Append(SqlSession session, IReadOnlyList<Receipt> receipts, params IReadOnlyList<SqlQuestion> also)
    {
        var before = new Dictionary<TotalKey, SqlQuestion<UsageSum>>();
        IReadOnlyCollection<Receipt> fresh;
        if (session.TakesArrays && receipts.Count > 0)
        {
            // Totals of those that turn out to be known are read for nothing.
            foreach (var key in receipts.Select(TotalKey.Of))
            {
                before.TryAdd(key, TotalRows.Before(key));
            }

            var inserting = ReceiptRows.Inserting(receipts);
            session.Ask([.. also, inserting, .. before.Values]);
            fresh = inserting.Rows;
        }
        else
        {
            session.Ask(also);
            fresh = ReceiptRows.Insert(session, receipts);
        }

        var added = new Dictionary<TotalKey, UsageSum>();
        foreach (var receipt in fresh)
        {
            var key = TotalKey.Of(receipt);
            added[key] = added.GetValueOrDefault(key) + UsageSum.Of(receipt);
        }

        foreach (var (key, sum) in added)
        {
            if (!before.TryGetValue(key, out var asked))
            {
                session.Ask([asked = TotalRows.Before(key)]);
            }

            TotalRows.Put(session, key, sum + asked.Rows.FirstOrDefault());
        }

        return added.Count;
    }

    /// <summary>Differences between totals and receipts, as sentences; both must be of one moment.</summary>
    internal static ImmutableArray<string> Check(SqlSession session, long fromHour, CancellationToken cancellationToken)
    {
        // Receipts are found by tenant and time; the tenants are found by one step through that index for each.
        const string ReceiptsSince =
            $"""
            WITH RECURSIVE tenants (id) AS (
                SELECT MIN(tenant_id) FROM receipts
                UNION ALL
                SELECT (SELECT MIN(tenant_id) FROM receipts WHERE tenant_id > tenants.id) FROM tenants WHERE tenants.id IS NOT NULL)
            SELECT {ReceiptRows.Columns} FROM receipts WHERE tenant_id IN (SELECT id FROM tenants WHERE id IS NOT NULL) AND started_at >= $from
            """;
        var sums = new Dictionary<TotalKey, UsageSum>();
        using (var rows = session.Read(ReceiptsSince, ("$from", fromHour)))
        {
            while (rows.Read())
            {
                cancellationToken.ThrowIfCancellationRequested();
                var receipt = ReceiptRows.Read(rows);
                var key = TotalKey.Of(receipt);
                sums[key] = sums.GetValueOrDefault(key) + UsageSum.Of(receipt);
            }
        }

        var differences = ImmutableArray.CreateBuilder<string>();
        foreach (var (key, total) in session.All(
            $"SELECT {TotalRows.Columns} FROM usage_totals WHERE hour >= $from", r => (TotalRows.Key(r), TotalRows.Sum(r)), ("$from", fromHour)))
        {
            sums.Remove(key, out var sum);
            if (total != sum)
            {
                differences.Add($"{Words(key)}: the total is {total}, its receipts sum to {sum}.");
            }
        }

        differences.AddRange(sums.Select(s => $"{Words(s.Key)}: there is no total, its receipts sum to {s.Value}."));
        return differences.ToImmutable();
    }

    private static string Words(TotalKey key) =>
        $"Tenant '{key.Tenant}', endpoint {key.Endpoint}, hour {StoredTime.Words(StoredTime.FromMicroseconds(key.Hour))}, {Codes.Lines.Text(key.Line)}";
}
