using System.Data.Common;
using Dormouse.Core.Batches;
using Dormouse.Core.Endpoints;

namespace Dormouse.Storage.Sql;

/// <summary>Batch jobs as rows.</summary>
internal static class BatchRows
{
    public const string Columns =
        """
        id, tenant_id, endpoint_id, endpoint_name, version, owner, place, location, stamp, input_name, format, input_bytes, concurrency, budget, state, reason, created_at, ended_at, mark,
        read_bytes, is_read, fed, skipped, succeeded, failures, results_bytes, pico_high, pico_low, attempts
        """;

    /// <summary>How many <see cref="Columns"/> are; what is read beside them follows.</summary>
    public const int ColumnCount = 29;

    public static BatchJob Read(DbDataReader r) => new()
    {
        Id = new BatchId(r.Id(0)),
        Tenant = new TenantId(r.GetString(1)),
        Endpoint = new EndpointId(r.Id(2)),
        EndpointName = r.GetString(3),
        Version = r.Text(4),
        Owner = r.Id(5),
        Input = new BatchInput(Codes.BatchPlaces.Value(r.GetString(6)), r.GetString(7), r.Text(8), r.GetString(9), Codes.BatchFormats.Value(r.GetString(10)), r.GetInt64(11)),
        Concurrency = r.GetInt32(12),
        Budget = FailureBudget.TryParse(r.GetString(13), out var budget) ? budget : throw new InvalidDataException($"'{r.GetString(13)}' is no stored failure budget."),
        State = Codes.BatchStates.Value(r.GetString(14)),
        Reason = r.Text(15),
        CreatedAt = r.Time(16),
        EndedAt = r.IsDBNull(17) ? null : r.Time(17),
        Mark = r.Text(18),
        ReadBytes = r.GetInt64(19),
        IsReadToEnd = r.Flag(20),
        Fed = r.GetInt64(21),
        Skipped = r.GetInt64(22),
        Succeeded = r.GetInt64(23),
        Failures = r.GetInt64(24),
        ResultsBytes = r.GetInt64(25),
        CostPico = StoredValues.Wide(r.GetInt64(26), r.GetInt64(27)),
        Attempts = r.GetInt64(28),
    };

    public static BatchJob? Find(SqlSession session, BatchId id) => session.First($"SELECT {Columns} FROM batches WHERE id = $id", Read, ("$id", id.Value));

    public static void Insert(SqlSession session, BatchJob job) => session.Execute(
        $"""
        INSERT INTO batches ({Columns})
        VALUES ($id, $tenant, $endpoint, $endpoint_name, $version, $owner, $place, $location, $stamp, $input_name, $format, $input_bytes, $concurrency, $budget, $state, $reason, $created,
            $ended, $mark, $read_bytes, $is_read, $fed, $skipped, $succeeded, $failures, $results_bytes, $pico_high, $pico_low, $attempts)
        """,
        [
            ("$id", job.Id.Value),
            ("$tenant", job.Tenant.Value),
            ("$endpoint", job.Endpoint.Value),
            ("$endpoint_name", job.EndpointName),
            ("$version", job.Version),
            ("$owner", job.Owner),
            ("$place", Codes.BatchPlaces.Text(job.Input.Place)),
            ("$location", job.Input.Location),
            ("$stamp", job.Input.Stamp),
            ("$input_name", job.Input.Name),
            ("$format", Codes.BatchFormats.Text(job.Input.Format)),
            ("$input_bytes", job.Input.Bytes),
            ("$concurrency", job.Concurrency),
            ("$created", StoredTime.ToMicroseconds(job.CreatedAt)),
            .. Progress(job),
        ]);

    /// <summary>Writes what changes in a job's life.</summary>
    public static void Change(SqlSession session, BatchJob job) => session.Execute(
        """
        UPDATE batches SET budget = $budget, state = $state, reason = $reason, ended_at = $ended, mark = $mark, read_bytes = $read_bytes, is_read = $is_read, fed = $fed,
            skipped = $skipped, succeeded = $succeeded, failures = $failures, results_bytes = $results_bytes, pico_high = $pico_high, pico_low = $pico_low, attempts = $attempts
        WHERE id = $id
        """,
        [("$id", job.Id.Value), .. Progress(job)]);

    private static (string Name, object? Value)[] Progress(BatchJob job) =>
    [
        ("$budget", job.Budget.ToString()),
        ("$state", Codes.BatchStates.Text(job.State)),
        ("$reason", job.Reason),
        ("$ended", job.EndedAt is { } ended ? StoredTime.ToMicroseconds(ended) : null),
        ("$mark", job.Mark),
        ("$read_bytes", job.ReadBytes),
        ("$is_read", job.IsReadToEnd ? 1 : 0),
        ("$fed", job.Fed),
        ("$skipped", job.Skipped),
        ("$succeeded", job.Succeeded),
        ("$failures", job.Failures),
        ("$results_bytes", job.ResultsBytes),
        ("$pico_high", StoredValues.High(job.CostPico)),
        ("$pico_low", StoredValues.Low(job.CostPico)),
        ("$attempts", job.Attempts),
    ];
}
