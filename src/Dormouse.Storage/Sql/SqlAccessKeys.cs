using System.Collections.Immutable;
using System.Data.Common;
using Dormouse.Core.Access;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Sharing;

namespace Dormouse.Storage.Sql;

/// <summary>Keys in the database, by their public id.</summary>
internal sealed class SqlAccessKeys(SqlWriter writer, SqlReaders readers) : IAccessKeys
{
    private const string Columns = "tenant_id, id, name, scopes, secret_hash, created_at";

    public Task<AccessKey?> FindAsync(string id, CancellationToken cancellationToken) =>
        readers.ReadAsync(s => s.First($"SELECT {Columns} FROM access_keys WHERE id = $id", Read, ("$id", id)), cancellationToken);

    /// <summary>Oldest first.</summary>
    public Task<ImmutableArray<AccessKey>> ListAsync(TenantId tenant, CancellationToken cancellationToken) =>
        readers.ReadAsync<ImmutableArray<AccessKey>>(
            s => [.. s.All($"SELECT {Columns} FROM access_keys WHERE tenant_id = $tenant ORDER BY created_at, id", Read, ("$tenant", tenant.Value))],
            cancellationToken);

    public Task AddAsync(AccessKey key, CancellationToken cancellationToken) =>
        writer.RunAsync(
            s => s.Execute(
                $"INSERT INTO access_keys ({Columns}) VALUES ($tenant, $id, $name, $scopes, $hash, $created)",
                ("$tenant", key.Tenant.Value),
                ("$id", key.Id),
                ("$name", key.Name),
                ("$scopes", (int)key.Scopes),
                ("$hash", key.SecretHash.ToArray()),
                ("$created", StoredTime.ToMicroseconds(key.CreatedAt))),
            cancellationToken);

    public Task<bool> RemoveAsync(TenantId tenant, string id, CancellationToken cancellationToken) =>
        writer.RunAsync(
            s =>
            {
                var isRemoved = s.Execute("DELETE FROM access_keys WHERE tenant_id = $tenant AND id = $id", ("$tenant", tenant.Value), ("$id", id)) > 0;
                if (isRemoved)
                {
                    s.Tell(SharedKind.Key, id);
                }

                return isRemoved;
            },
            cancellationToken);

    private static AccessKey Read(DbDataReader row) => new(
        new TenantId(row.GetString(0)),
        row.GetString(1),
        row.GetString(2),
        (KeyScopes)row.GetInt32(3),
        [.. row.GetFieldValue<byte[]>(4)],
        row.Time(5));
}
