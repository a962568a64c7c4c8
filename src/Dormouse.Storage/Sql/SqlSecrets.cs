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
        var stored = (await readers.ReadAsync(s => Stored(s, tenant, [.. names.Distinct()]), cancellationToken)).ToDictionary(r => r.Name, r => r.Value, StringComparer.Ordinal);
        return [.. names.Select(name => stored.TryGetValue(name, out var value) ? Open(tenant, name, value) : new OpenedSecret.Missing { Name = name })];
    }

    /// <summary>As they were at one moment. Those alone: all that a tenant may have are megabytes.</summary>
    private static List<(string Name, byte[] Value)> Stored(SqlSession session, TenantId tenant, string[] names)
    {
        const string Query = "SELECT name, value FROM secrets WHERE tenant_id = $tenant AND name";
        return session.TakesArrays
            ? session.All(Query + " = ANY($names)", Read, ("$tenant", tenant.Value), ("$names", names))
            : session.AtOneMoment(() => names.SelectMany(name => session.All(Query + " = $name", Read, ("$tenant", tenant.Value), ("$name", name))).ToList());

        static (string, byte[]) Read(System.Data.Common.DbDataReader r) => (r.GetString(0), r.GetFieldValue<byte[]>(1));
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
