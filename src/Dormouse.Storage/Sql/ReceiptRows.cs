using System.Data.Common;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;

namespace Dormouse.Storage.Sql;

/// <summary>Receipts as rows.</summary>
internal static class ReceiptRows
{
    public const string Columns =
        """
        server_id, sequence, tenant_id, invocation_id, endpoint_id, revision, instance, started_at, outcome, status, start_kind, start_cause, rung,
        queue_us, start_us, load_us, run_us, cpu_us, memory_mib, metered_us, billed_ms, price_pico, line, is_mirror, rung_reason
        """;

    private const string InsertSql =
        $"""
        INSERT INTO receipts ({Columns})
        VALUES ($server, $sequence, $tenant, $invocation, $endpoint, $revision, $instance, $started, $outcome, $status, $start, $cause, $rung,
        $queue_us, $start_us, $load_us, $run_us, $cpu_us, $memory, $metered, $billed, $price, $line, $mirror, $rung_reason)
        ON CONFLICT (server_id, sequence) DO NOTHING
        """;

    private const string InsertSetSql =
        $"""
        INSERT INTO receipts ({Columns})
        SELECT * FROM unnest($server, $sequence, $tenant, $invocation, $endpoint, $revision, $instance, $started, $outcome, $status, $start, $cause, $rung,
        $queue_us, $start_us, $load_us, $run_us, $cpu_us, $memory, $metered, $billed, $price, $line, $mirror, $rung_reason)
        ON CONFLICT (server_id, sequence) DO NOTHING RETURNING server_id, sequence
        """;

    /// <summary>Writes one after the other. Returns those that the ledger did not have.</summary>
    public static IReadOnlyCollection<Receipt> Insert(SqlSession session, IReadOnlyList<Receipt> receipts) => [.. receipts.Where(r => TryInsert(session, r))];

    /// <summary>Writes all with one statement, where arrays are taken. Its rows are those that the ledger did not have.</summary>
    public static SqlQuestion<Receipt> Inserting(IReadOnlyList<Receipt> receipts)
    {
        var given = new Dictionary<(Guid, long), Receipt>(receipts.Count);
        foreach (var receipt in receipts)
        {
            given.TryAdd((receipt.ServerId, receipt.Sequence), receipt);
        }

        return new SqlQuestion<Receipt>(InsertSetSql, r => given[(r.Id(0), r.GetInt64(1))], Sets([.. given.Values]));
    }

    /// <summary>False when the ledger has it already.</summary>
    private static bool TryInsert(SqlSession session, Receipt receipt) =>
        session.Execute(
            InsertSql,
            ("$server", receipt.ServerId),
            ("$sequence", receipt.Sequence),
            ("$tenant", receipt.Tenant.Value),
            ("$invocation", receipt.Invocation.Value),
            ("$endpoint", receipt.Revision.Endpoint.Value),
            ("$revision", receipt.Revision.Number),
            ("$instance", receipt.Instance),
            ("$started", StoredTime.ToMicroseconds(receipt.StartedAt)),
            ("$outcome", Codes.Outcomes.Text(receipt.Outcome)),
            ("$status", receipt.Status),
            ("$start", Codes.Starts.Text(receipt.Start)),
            ("$cause", receipt.Cause is { } cause ? Codes.Causes.Text(cause) : null),
            ("$rung", receipt.Rung is { } rung ? Codes.Rungs.Text(rung) : null),
            ("$queue_us", receipt.Times.QueueMicroseconds),
            ("$start_us", receipt.Times.StartMicroseconds),
            ("$load_us", receipt.Times.LoadMicroseconds),
            ("$run_us", receipt.Times.RunMicroseconds),
            ("$cpu_us", receipt.CpuMicroseconds),
            ("$memory", receipt.MemoryMib),
            ("$metered", receipt.MeteredMicroseconds),
            ("$billed", receipt.BilledMilliseconds),
            ("$price", receipt.PricePico),
            ("$line", Codes.Lines.Text(receipt.Line)),
            ("$mirror", receipt.IsMirror ? 1 : 0),
            ("$rung_reason", receipt.RungReason is { } reason ? Codes.RungReasons.Text(reason) : null)) > 0;

    /// <summary>A row of <see cref="Columns"/>.</summary>
    public static Receipt Read(DbDataReader row) => new()
    {
        ServerId = row.Id(0),
        Sequence = row.GetInt64(1),
        Tenant = new TenantId(row.GetString(2)),
        Invocation = new InvocationId(row.Id(3)),
        Revision = new RevisionId(new EndpointId(row.Id(4)), row.GetInt32(5)),
        Instance = row.GetInt64(6),
        StartedAt = row.Time(7),
        Outcome = Codes.Outcomes.Value(row.GetString(8)),
        Status = row.GetInt32(9),
        Start = Codes.Starts.Value(row.GetString(10)),
        Cause = row.Text(11) is { } cause ? Codes.Causes.Value(cause) : null,
        Rung = row.Text(12) is { } rung ? Codes.Rungs.Value(rung) : null,
        Times = new InvocationTimes(row.GetInt64(13), row.GetInt64(14), row.GetInt64(15), row.GetInt64(16)),
        CpuMicroseconds = row.GetInt64(17),
        MemoryMib = row.GetInt32(18),
        MeteredMicroseconds = row.GetInt64(19),
        BilledMilliseconds = row.GetInt64(20),
        PricePico = row.GetInt64(21),
        Line = Codes.Lines.Value(row.GetString(22)),
        IsMirror = row.Flag(23),
        RungReason = row.Text(24) is { } reason ? Codes.RungReasons.Value(reason) : null,
    };

    private static (string Name, object? Value)[] Sets(List<Receipt> receipts) =>
    [
        ("$server", Each(receipts, r => r.ServerId)),
        ("$sequence", Each(receipts, r => r.Sequence)),
        ("$tenant", Each(receipts, r => r.Tenant.Value)),
        ("$invocation", Each(receipts, r => r.Invocation.Value)),
        ("$endpoint", Each(receipts, r => r.Revision.Endpoint.Value)),
        ("$revision", Each(receipts, r => (long)r.Revision.Number)),
        ("$instance", Each(receipts, r => r.Instance)),
        ("$started", Each(receipts, r => StoredTime.ToMicroseconds(r.StartedAt))),
        ("$outcome", Each(receipts, r => Codes.Outcomes.Text(r.Outcome))),
        ("$status", Each(receipts, r => (long)r.Status)),
        ("$start", Each(receipts, r => Codes.Starts.Text(r.Start))),
        ("$cause", Each(receipts, r => r.Cause is { } cause ? Codes.Causes.Text(cause) : null)),
        ("$rung", Each(receipts, r => r.Rung is { } rung ? Codes.Rungs.Text(rung) : null)),
        ("$queue_us", Each(receipts, r => r.Times.QueueMicroseconds)),
        ("$start_us", Each(receipts, r => r.Times.StartMicroseconds)),
        ("$load_us", Each(receipts, r => r.Times.LoadMicroseconds)),
        ("$run_us", Each(receipts, r => r.Times.RunMicroseconds)),
        ("$cpu_us", Each(receipts, r => r.CpuMicroseconds)),
        ("$memory", Each(receipts, r => (long)r.MemoryMib)),
        ("$metered", Each(receipts, r => r.MeteredMicroseconds)),
        ("$billed", Each(receipts, r => r.BilledMilliseconds)),
        ("$price", Each(receipts, r => r.PricePico)),
        ("$line", Each(receipts, r => Codes.Lines.Text(r.Line))),
        ("$mirror", Each(receipts, r => r.IsMirror ? 1L : 0L)),
        ("$rung_reason", Each(receipts, r => r.RungReason is { } reason ? Codes.RungReasons.Text(reason) : null))
    ];

    private static T[] Each<T>(List<Receipt> receipts, Func<Receipt, T> value) => [.. receipts.Select(value)];
}
