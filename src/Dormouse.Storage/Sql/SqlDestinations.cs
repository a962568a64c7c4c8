using System.Collections.Immutable;
using System.Data.Common;
using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Secrets;
using Dormouse.Storage.Sealing;

namespace Dormouse.Storage.Sql;

/// <summary>Destinations, whose secrets are sealed, and deliveries.</summary>
internal sealed class SqlDestinations(SqlWriter writer, SqlReaders readers, Sealer sealer) : IDestinationStore
{
    private const string Columns = "tenant_id, name, url, form, secret, created_at, old_secret, old_secret_until, disabled_reason";

    public async Task<Destination?> FindAsync(TenantId tenant, string name, CancellationToken cancellationToken)
    {
        var (found, isSealed) = await readers.ReadAsync(
            s => s.First($"SELECT {Columns} FROM destinations WHERE tenant_id = $tenant AND name = $name", r => (Read(r), IsSealed(r)), ("$tenant", tenant.Value), ("$name", name)), cancellationToken);
        // Rows of versions before 0.2 are readable, until somebody looks at them for the first time.
        return found is null || isSealed ? found : await ChangeAsync(tenant, name, d => d, cancellationToken);
    }

    public Task<ImmutableArray<Destination>> ListAsync(TenantId tenant, CancellationToken cancellationToken) => readers.ReadAsync<ImmutableArray<Destination>>(
        s => [.. s.All($"SELECT {Columns} FROM destinations WHERE tenant_id = $tenant ORDER BY name", Read, ("$tenant", tenant.Value))], cancellationToken);

    public Task<bool> AddAsync(Destination destination, CancellationToken cancellationToken) => writer.RunAsync(
        s =>
        {
            if (Find(s, destination.Tenant, destination.Name) is not null)
            {
                return false;
            }

            Put(s, destination);
            return true;
        },
        cancellationToken);

    public Task<Destination?> ChangeAsync(TenantId tenant, string name, Func<Destination, Destination> change, CancellationToken cancellationToken) =>
        writer.RunAsync(s => Change(s, tenant, name, change), cancellationToken);

    public Task<bool> RemoveAsync(TenantId tenant, string name, CancellationToken cancellationToken) => writer.RunAsync(
        s => s.Execute("DELETE FROM destinations WHERE tenant_id = $tenant AND name = $name", ("$tenant", tenant.Value), ("$name", name)) > 0, cancellationToken);

    public Task<DestinationUse> UseAsync(EndpointId endpoint, CancellationToken cancellationToken) => readers.ReadAsync(s => DeliveryRows.Use(s, endpoint), cancellationToken);

    public Task SetUseAsync(EndpointId endpoint, DestinationUse use, CancellationToken cancellationToken) => writer.RunAsync(
        s => use == DestinationUse.Nothing
            ? s.Execute("DELETE FROM destination_uses WHERE endpoint_id = $endpoint", ("$endpoint", endpoint.Value))
            : s.Execute(
                """
                INSERT INTO destination_uses (endpoint_id, on_success, on_failure) VALUES ($endpoint, $success, $failure)
                ON CONFLICT (endpoint_id) DO UPDATE SET on_success = excluded.on_success, on_failure = excluded.on_failure
                """,
                ("$endpoint", endpoint.Value), ("$success", use.OnSuccess), ("$failure", use.OnFailure)),
        cancellationToken);

    public Task<ImmutableArray<EndpointId>> UsersAsync(TenantId tenant, string reference, CancellationToken cancellationToken) => readers.ReadAsync<ImmutableArray<EndpointId>>(
        s =>
        [
            .. s.All(
                """
                SELECT u.endpoint_id FROM destination_uses u JOIN endpoints e ON e.id = u.endpoint_id
                WHERE e.tenant_id = $tenant AND (u.on_success = $reference OR u.on_failure = $reference) ORDER BY e.name
                """,
                r => new EndpointId(r.Id(0)), ("$tenant", tenant.Value), ("$reference", reference)),
        ],
        cancellationToken);

    public Task<bool> IsAnyAsync(CancellationToken cancellationToken) => readers.ReadAsync(
        s => s.Has("SELECT 1 FROM destination_uses LIMIT 1") || s.Has("SELECT 1 FROM deliveries WHERE state = 'pending' LIMIT 1"), cancellationToken);

    /// <summary>Jumps from lane to lane in the index: a million deliveries of one lane cost as much as one.</summary>
    public Task<ImmutableArray<DueLane>> LanesAsync(CancellationToken cancellationToken) => readers.ReadAsync<ImmutableArray<DueLane>>(
        s =>
        {
            var lanes = ImmutableArray.CreateBuilder<DueLane>();
            var (tenant, target) = ("", "");
            while (s.First(
                """
                SELECT tenant_id, target, next_at FROM deliveries WHERE state = 'pending' AND (tenant_id, target) > ($tenant, $target)
                ORDER BY tenant_id, target, next_at LIMIT 1
                """,
                r => new DueLane(new DeliveryLane(new TenantId(r.GetString(0)), r.GetString(1)), r.Time(2)), ("$tenant", tenant), ("$target", target)) is { Lane.To: not null } lane)
            {
                lanes.Add(lane);
                (tenant, target) = (lane.Lane.Tenant.Value, lane.Lane.To);
            }

            return lanes.ToImmutable();
        },
        cancellationToken);

    public Task<ImmutableArray<Delivery>> TakeAsync(IReadOnlyList<DeliveryWish> wishes, DateTimeOffset now, DateTimeOffset until, CancellationToken cancellationToken) =>
        writer.RunAsync(
            s =>
            {
                var taken = ImmutableArray.CreateBuilder<Delivery>();
                foreach (var (lane, count) in wishes)
                {
                    foreach (var due in s.All(
                        $"""
                        SELECT {DeliveryRows.Columns} FROM deliveries WHERE state = 'pending' AND tenant_id = $tenant AND target = $target AND next_at <= $now
                        ORDER BY next_at, number LIMIT $limit
                        """,
                        DeliveryRows.Read,
                        ("$tenant", lane.Tenant.Value), ("$target", lane.To), ("$now", StoredTime.ToMicroseconds(now)), ("$limit", count)))
                    {
                        var begun = due.Taken(until);
                        DeliveryRows.Change(s, begun);
                        taken.Add(begun);
                    }
                }

                return taken.ToImmutable();
            },
            cancellationToken);

    public Task<bool> EndAsync(Delivery taken, DeliveryVerdict verdict, DateTimeOffset now, CancellationToken cancellationToken) => writer.RunAsync(
        s =>
        {
            var current = s.First($"SELECT {DeliveryRows.Columns} FROM deliveries WHERE number = $number", DeliveryRows.Read, ("$number", taken.Number));
            if (current is not { State: DeliveryState.Pending } || current.Attempts != taken.Attempts)
            {
                return false;
            }

            DeliveryRows.Change(s, current.After(verdict, now));
            if (verdict is DeliveryVerdict.Dead { Disables: true } dead)
            {
                Change(s, taken.Tenant, taken.To, d => d with { DisabledReason = dead.Reason });
            }

            return true;
        },
        cancellationToken);

    public Task<ImmutableArray<Delivery>> OfAsync(TenantId tenant, InvocationId invocation, CancellationToken cancellationToken) => readers.ReadAsync<ImmutableArray<Delivery>>(
        s =>
        [
            .. s.All(
                $"""
                SELECT {DeliveryRows.Columns} FROM deliveries
                WHERE item_sequence = (SELECT sequence FROM queue_items WHERE id = $id AND tenant_id = $tenant) ORDER BY number
                """,
                DeliveryRows.Read, ("$id", invocation.Value), ("$tenant", tenant.Value)),
        ],
        cancellationToken);

    public Task<ImmutableArray<Delivery>> ListAsync(DeliveryFilter filter, CancellationToken cancellationToken) => readers.ReadAsync<ImmutableArray<Delivery>>(
        s =>
        [
            .. s.All(
                $"""
                SELECT {DeliveryRows.Columns} FROM deliveries
                WHERE tenant_id = $tenant {(filter.State is null ? "" : "AND state = $state")} {(filter.To is null ? "" : "AND target = $target")} AND number < $before
                ORDER BY number DESC LIMIT $limit
                """,
                DeliveryRows.Read,
                [
                    ("$tenant", filter.Tenant.Value),
                    ("$before", filter.Before ?? long.MaxValue),
                    ("$limit", filter.Limit),
                    .. filter.State is { } state ? [("$state", (object?)Codes.DeliveryStates.Text(state))] : Array.Empty<(string, object?)>(),
                    .. filter.To is { } to ? [("$target", (object?)to)] : Array.Empty<(string, object?)>(),
                ]),
        ],
        cancellationToken);

    public Task<int> RedriveAsync(TenantId tenant, long? number, string? to, DateTimeOffset now, int limit, CancellationToken cancellationToken) => writer.RunAsync(
        s =>
        {
            var dead = s.All(
                $"""
                SELECT {DeliveryRows.Columns} FROM deliveries
                WHERE tenant_id = $tenant AND state = 'dead' {(number is null ? "" : "AND number = $number")} {(to is null ? "" : "AND target = $target")} ORDER BY number LIMIT $limit
                """,
                DeliveryRows.Read,
                [
                    ("$tenant", tenant.Value),
                    ("$limit", limit),
                    .. number is { } only ? [("$number", (object?)only)] : Array.Empty<(string, object?)>(),
                    .. to is not null ? [("$target", (object?)to)] : Array.Empty<(string, object?)>(),
                ]);
            dead.ForEach(d => DeliveryRows.Change(s, d.Redriven(now)));
            return dead.Count;
        },
        cancellationToken);

    private Destination? Find(SqlSession session, TenantId tenant, string name) => session.First(
        $"SELECT {Columns} FROM destinations WHERE tenant_id = $tenant AND name = $name", Read, ("$tenant", tenant.Value), ("$name", name));

    private Destination? Change(SqlSession session, TenantId tenant, string name, Func<Destination, Destination> change)
    {
        if (Find(session, tenant, name) is not { } current)
        {
            return null;
        }

        var next = change(current);
        Put(session, next);
        return next;
    }

    private void Put(SqlSession session, Destination destination)
    {
        if (destination.SecretFault is not null)
        {
            // What could not be opened stays as it is.
            session.Execute(
                "UPDATE destinations SET url = $url, form = $form, disabled_reason = $reason WHERE tenant_id = $tenant AND name = $name",
                ("$tenant", destination.Tenant.Value), ("$name", destination.Name), ("$url", destination.Url), ("$form", Codes.DestinationForms.Text(destination.Form)), ("$reason", destination.DisabledReason));
            return;
        }

        var owner = Sealer.OwnerOfDestination(destination.Tenant.Value, destination.Name);
        session.Execute(
        $"""
        INSERT INTO destinations ({Columns}) VALUES ($tenant, $name, $url, $form, $secret, $created, $old, $until, $reason)
        ON CONFLICT (tenant_id, name) DO UPDATE SET url = excluded.url, form = excluded.form, secret = excluded.secret, created_at = excluded.created_at,
            old_secret = excluded.old_secret, old_secret_until = excluded.old_secret_until, disabled_reason = excluded.disabled_reason
        """,
        ("$tenant", destination.Tenant.Value),
        ("$name", destination.Name),
        ("$url", destination.Url),
        ("$form", Codes.DestinationForms.Text(destination.Form)),
        ("$secret", sealer.Seal(session, owner, destination.Secret.AsSpan())),
        ("$created", StoredTime.ToMicroseconds(destination.CreatedAt)),
        ("$old", destination.OldSecret.IsEmpty ? null : sealer.Seal(session, owner, destination.OldSecret.AsSpan())),
        ("$until", destination.OldSecretUntil is { } until ? StoredTime.ToMicroseconds(until) : null),
        ("$reason", destination.DisabledReason));
    }

    private Destination Read(DbDataReader r)
    {
        var (tenant, name) = (r.GetString(0), r.GetString(1));
        var read = new Destination(new TenantId(tenant), name, r.GetString(2), Codes.DestinationForms.Value(r.GetString(3)), [], r.Time(5))
        {
            OldSecretUntil = r.IsDBNull(7) ? null : r.Time(7),
            DisabledReason = r.Text(8),
        };
        try
        {
            return read with { Secret = Open(tenant, name, r.GetFieldValue<byte[]>(4)), OldSecret = r.IsDBNull(6) ? [] : Open(tenant, name, r.GetFieldValue<byte[]>(6)) };
        }
        catch (SealingException e)
        {
            return read with { SecretFault = e.Message };
        }
    }

    private ImmutableArray<byte> Open(string tenant, string name, byte[] stored) =>
        [.. SealedValue.Is(stored) ? sealer.Open(Sealer.OwnerOfDestination(tenant, name), $"the secret of destination '{name}'", stored) : stored];

    private static bool IsSealed(DbDataReader r) => SealedValue.Is(r.GetFieldValue<byte[]>(4));
}
