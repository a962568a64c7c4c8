using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Secrets;
using Dormouse.Storage.Sealing;

namespace Dormouse.Storage.Sql;

/// <summary>Secrets, sealed.</summary>
internal sealed class SqlSecrets(SqlWriter writer, SqlReaders readers, Sealer sealer) : ISecretStore
{
    public Task<bool> SetAsync(TenantId tenant, string name, ReadOnlyMemory<byte> value, DateTimeOffset now, CancellationToken cancellationToken) => writer.RunAsync(
        s =>
        {
            if (s.First("SELECT COUNT(*) FROM secrets WHERE tenant_id = $tenant AND name <> $name", r => r.GetInt64(0), ("$tenant", tenant.Value), ("$name", name)) >= SecretRules.SecretsMax)
            {
                return false;
            }

            var made = sealer.Seal(s, Sealer.OwnerOfSecret(tenant.Value, name), value.Span);
            s.Execute(
                """
                INSERT INTO secrets (tenant_id, name, value, key_id, set_at) VALUES ($tenant, $name, $value, $key, $now)
                ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value, key_id = excluded.key_id, set_at = excluded.set_at
                """,
                ("$tenant", tenant.Value), ("$name", name), ("$value", made), ("$key", SealedValue.KeyId(made)), ("$now", StoredTime.ToMicroseconds(now)));
            return true;
        },
        cancellationToken);

    public async Task<ImmutableArray<Secret>> ListAsync(TenantId tenant, CancellationToken cancellationToken)
    {
        var secrets = await readers.ReadAsync(
            s => s.All(
                "SELECT name, set_at, key_id FROM secrets WHERE tenant_id = $tenant ORDER BY name", r => new Secret(tenant, r.GetString(0), r.Time(1), r.GetString(2)), ("$tenant", tenant.Value)),
            cancellationToken);
        return [.. secrets.Select(s => s with { Fault = sealer.Fault(What(s.Name), s.KeyId) })];
    }

    public Task<bool> RemoveAsync(TenantId tenant, string name, CancellationToken cancellationToken) => writer.RunAsync(
        s => s.Execute("DELETE FROM secrets WHERE tenant_id = $tenant AND name = $name", ("$tenant", tenant.Value), ("$name", name)) > 0, cancellationToken);

    public async Task<ImmutableArray<OpenedSecret>> OpenAsync(TenantId tenant, ImmutableArray<string> names, CancellationToken cancellationToken)
    {
        // One statement sees one moment; a tenant has at most a thousand.
        var stored = await readers.ReadAsync(
            s => s.All("SELECT name, value FROM secrets WHERE tenant_id = $tenant", r => (Name: r.GetString(0), Value: r.GetFieldValue<byte[]>(1)), ("$tenant", tenant.Value)).ToDictionary(r => r.Name, r => r.Value), cancellationToken);
        return [.. names.Select(name => stored.TryGetValue(name, out var value) ? Open(tenant, name, value) : new OpenedSecret.Missing { Name = name })];
    }

    private static string What(string name) => $"the secret '{name}'";

    private OpenedSecret Open(TenantId tenant, string name, byte[] stored)
    {
        try
        {
            return new OpenedSecret.Value { Name = name, Bytes = [.. sealer.Open(Sealer.OwnerOfSecret(tenant.Value, name), What(name), stored)] };
        }
        catch (SealingException e)
        {
            return new OpenedSecret.Unreadable { Name = name, Reason = e.Message };
        }
    }
}
