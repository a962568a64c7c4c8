using System.Data.Common;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;

namespace Dormouse.Storage.Sql;

/// <param name="Hour">Start of the hour, µs since 1970 UTC.</param>
internal readonly record struct TotalKey(TenantId Tenant, EndpointId Endpoint, long Hour, ReceiptLine Line)
{
    public static TotalKey Of(Receipt receipt) =>
        new(receipt.Tenant, receipt.Revision.Endpoint, StoredTime.HourOf(StoredTime.ToMicroseconds(receipt.StartedAt)), receipt.Line);
}

/// <summary>Totals as rows. Sums are made here, not by the database, whose integers end at 64 bits.</summary>
internal static class TotalRows
{
    public const string Columns =
        "tenant_id, endpoint_id, hour, invocations, cold_starts, failures, run_us, cpu_us, billed_ms, mib_us_high, mib_us_low, pico_high, pico_low, line";

    /// <summary>Asks for a total as it is; no row = nothing was added to it yet.</summary>
    public static SqlQuestion<UsageSum> Before(TotalKey key) => new(
        $"SELECT {Columns} FROM usage_totals WHERE tenant_id = $tenant AND hour = $hour AND endpoint_id = $endpoint AND line = $line",
        Sum,
        ("$tenant", key.Tenant.Value),
        ("$hour", key.Hour),
        ("$endpoint", key.Endpoint.Value),
        ("$line", Codes.Lines.Text(key.Line)));

    /// <summary>Writes a total as it is from now on.</summary>
    public static void Put(SqlSession session, TotalKey key, UsageSum sum) =>
        session.Later(
            $"""
            INSERT INTO usage_totals ({Columns})
            VALUES ($tenant, $endpoint, $hour, $invocations, $cold, $failures, $run, $cpu, $billed, $mib_high, $mib_low, $pico_high, $pico_low, $line)
            ON CONFLICT (tenant_id, hour, endpoint_id, line) DO UPDATE SET
                invocations = excluded.invocations, cold_starts = excluded.cold_starts, failures = excluded.failures, run_us = excluded.run_us, cpu_us = excluded.cpu_us,
                billed_ms = excluded.billed_ms, mib_us_high = excluded.mib_us_high, mib_us_low = excluded.mib_us_low, pico_high = excluded.pico_high, pico_low = excluded.pico_low
            """,
            ("$tenant", key.Tenant.Value),
            ("$endpoint", key.Endpoint.Value),
            ("$hour", key.Hour),
            ("$invocations", sum.Invocations),
            ("$cold", sum.ColdStarts),
            ("$failures", sum.Failures),
            ("$run", sum.RunMicroseconds),
            ("$cpu", sum.CpuMicroseconds),
            ("$billed", sum.BilledMilliseconds),
            ("$mib_high", StoredValues.High(sum.MibMicroseconds)),
            ("$mib_low", StoredValues.Low(sum.MibMicroseconds)),
            ("$pico_high", StoredValues.High(sum.PricePico)),
            ("$pico_low", StoredValues.Low(sum.PricePico)),
            ("$line", Codes.Lines.Text(key.Line)));

    public static TotalKey Key(DbDataReader row) => new(new TenantId(row.GetString(0)), new EndpointId(row.Id(1)), row.GetInt64(2), Codes.Lines.Value(row.GetString(13)));

    public static UsageSum Sum(DbDataReader row) => new(
        row.GetInt64(3),
        row.GetInt64(4),
        row.GetInt64(5),
        row.GetInt64(6),
        row.GetInt64(7),
        row.GetInt64(8),
        StoredValues.Wide(row.GetInt64(9), row.GetInt64(10)),
        StoredValues.Wide(row.GetInt64(11), row.GetInt64(12)));

    public static UsageTotal Total(TotalKey key, UsageSum sum) => new()
    {
        Tenant = key.Tenant,
        Endpoint = key.Endpoint,
        Hour = StoredTime.FromMicroseconds(key.Hour),
        Line = key.Line,
        Invocations = sum.Invocations,
        ColdStarts = sum.ColdStarts,
        Failures = sum.Failures,
        RunMicroseconds = sum.RunMicroseconds,
        CpuMicroseconds = sum.CpuMicroseconds,
        BilledMilliseconds = sum.BilledMilliseconds,
        MibMicroseconds = sum.MibMicroseconds,
        PricePico = sum.PricePico,
    };
}
