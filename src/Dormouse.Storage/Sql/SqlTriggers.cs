using System.Collections.Immutable;
using System.Data.Common;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;
using Dormouse.Core.Sharing;

namespace Dormouse.Storage.Sql;

/// <summary>Triggers.</summary>
internal sealed class SqlTriggers(SqlWriter writer, SqlReaders readers) : ITriggerStore
{
    private const string Columns =
        "id, tenant_id, name, kind, endpoint, source, filter, input, batch_size, batch_window, is_paused, mark, fired, last_invocation, last_fired_at, last_error, last_error_at, created_at";

    public Task<ImmutableArray<Trigger>> AllAsync(CancellationToken cancellationToken) => readers.ReadAsync<ImmutableArray<Trigger>>(
        s => [.. s.All($"SELECT {Columns} FROM triggers ORDER BY tenant_id, name", Read)], cancellationToken);

    public Task<ImmutableArray<Trigger>> ListAsync(TenantId tenant, CancellationToken cancellationToken) => readers.ReadAsync<ImmutableArray<Trigger>>(
        s => [.. s.All($"SELECT {Columns} FROM triggers WHERE tenant_id = $tenant ORDER BY name", Read, ("$tenant", tenant.Value))], cancellationToken);

    public Task<Trigger?> FindAsync(TenantId tenant, string name, CancellationToken cancellationToken) => readers.ReadAsync(s => Find(s, tenant, name), cancellationToken);

    public Task<bool> AddAsync(Trigger trigger, CancellationToken cancellationToken) => writer.RunAsync(
        s =>
        {
            if (Find(s, trigger.Tenant, trigger.Name) is not null)
            {
                return false;
            }

            Put(s, trigger);
            Tell(s, trigger);
            return true;
        },
        cancellationToken);

    public Task<Trigger?> ChangeAsync(TenantId tenant, string name, Func<Trigger, Trigger> change, CancellationToken cancellationToken) => writer.RunAsync(
        s =>
        {
            if (Find(s, tenant, name) is not { } current)
            {
                return null;
            }

            var next = change(current);
            Put(s, next);
            Tell(s, next);
            return next;
        },
        cancellationToken);

    public Task<Trigger?> RemoveAsync(TenantId tenant, string name, CancellationToken cancellationToken) => writer.RunAsync(
        s =>
        {
            if (Find(s, tenant, name) is not { } found)
            {
                return null;
            }

            Tell(s, found);
            s.Execute("DELETE FROM triggers WHERE tenant_id = $tenant AND name = $name", ("$tenant", tenant.Value), ("$name", name));
            return found;
        },
        cancellationToken);

    public Task MarkAsync(TriggerId trigger, string mark, CancellationToken cancellationToken) => writer.RunAsync(
        s => s.Execute("UPDATE triggers SET mark = $mark WHERE id = $id", ("$mark", mark), ("$id", trigger.Value)), cancellationToken);

    public Task ReportAsync(TriggerId trigger, string? error, DateTimeOffset at, CancellationToken cancellationToken) => writer.RunAsync(
        s => error is null
            ? s.Execute("UPDATE triggers SET last_error = NULL WHERE id = $id", ("$id", trigger.Value))
            : s.Execute(
                "UPDATE triggers SET last_error = $error, last_error_at = $at WHERE id = $id", ("$error", error), ("$at", StoredTime.ToMicroseconds(at)), ("$id", trigger.Value)),
        cancellationToken);

    /// <summary>Part of the transaction that queues what was fired.</summary>
    /// <param name="isNew">False when the event had been queued before.</param>
    public static void Fired(SqlSession session, TriggerProgress progress, InvocationId invocation, bool isNew) => session.Execute(
        $"""
        UPDATE triggers SET {(progress.Mark is null ? "" : "mark = $mark,")} fired = fired + $new, last_invocation = $invocation, last_fired_at = $at, last_error = NULL WHERE id = $id
        """,
        [.. progress.Mark is { } mark ? [("$mark", (object?)mark)] : Array.Empty<(string, object?)>(), ("$new", isNew ? 1 : 0), ("$invocation", invocation.Value), ("$at", StoredTime.ToMicroseconds(progress.At)), ("$id", progress.Trigger.Value)]);

    private static void Tell(SqlSession session, Trigger trigger) => session.Tell(SharedKind.Trigger, trigger.Id.Value.ToString("D"));

    private static Trigger? Find(SqlSession session, TenantId tenant, string name) =>
        session.First($"SELECT {Columns} FROM triggers WHERE tenant_id = $tenant AND name = $name", Read, ("$tenant", tenant.Value), ("$name", name));

    private static void Put(SqlSession session, Trigger trigger) => session.Execute(
        $"""
        INSERT INTO triggers ({Columns})
        VALUES ($id, $tenant, $name, $kind, $endpoint, $source, $filter, $input, $size, $window, $paused, $mark, $fired, $invocation, $fired_at, $error, $error_at, $created)
        ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, endpoint = excluded.endpoint, source = excluded.source, filter = excluded.filter, input = excluded.input,
            batch_size = excluded.batch_size, batch_window = excluded.batch_window, is_paused = excluded.is_paused, mark = excluded.mark, fired = excluded.fired,
            last_invocation = excluded.last_invocation, last_fired_at = excluded.last_fired_at, last_error = excluded.last_error, last_error_at = excluded.last_error_at
        """,
        ("$id", trigger.Id.Value),
        ("$tenant", trigger.Tenant.Value),
        ("$name", trigger.Name),
        ("$kind", trigger.Kind),
        ("$endpoint", trigger.Endpoint),
        ("$source", HeadersJson.Write([.. trigger.Source])),
        ("$filter", trigger.Filter),
        ("$input", trigger.Input),
        ("$size", trigger.BatchSize),
        ("$window", trigger.BatchWindow.Ticks / TimeSpan.TicksPerMicrosecond),
        ("$paused", trigger.IsPaused ? 1 : 0),
        ("$mark", trigger.Mark),
        ("$fired", trigger.Fired),
        ("$invocation", trigger.LastInvocation is { } invocation ? invocation.Value : null),
        ("$fired_at", trigger.LastFiredAt is { } fired ? StoredTime.ToMicroseconds(fired) : null),
        ("$error", trigger.LastError),
        ("$error_at", trigger.LastErrorAt is { } error ? StoredTime.ToMicroseconds(error) : null),
        ("$created", StoredTime.ToMicroseconds(trigger.CreatedAt)));

    private static Trigger Read(DbDataReader r) => new()
    {
        Id = new TriggerId(r.Id(0)),
        Tenant = new TenantId(r.GetString(1)),
        Name = r.GetString(2),
        Kind = r.GetString(3),
        Endpoint = r.GetString(4),
        Source = HeadersJson.Read(r.GetString(5)).ToImmutableSortedDictionary(StringComparer.Ordinal),
        Filter = r.Text(6),
        Input = r.Text(7),
        BatchSize = r.GetInt32(8),
        BatchWindow = TimeSpan.FromMicroseconds(r.GetInt64(9)),
        IsPaused = r.Flag(10),
        Mark = r.Text(11),
        Fired = r.GetInt64(12),
        LastInvocation = r.IsDBNull(13) ? null : new InvocationId(r.Id(13)),
        LastFiredAt = r.IsDBNull(14) ? null : r.Time(14),
        LastError = r.Text(15),
        LastErrorAt = r.IsDBNull(16) ? null : r.Time(16),
        CreatedAt = r.Time(17),
    };
}
