using System.Collections.Frozen;
using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Storage.Blobs;

namespace Dormouse.Storage.Sql;

/// <summary>Which tenant has which file, and which files anything refers to.</summary>
internal sealed class SqlBlobIndex(SqlWriter writer, SqlReaders readers, TimeProvider time) : IBlobIndex
{
    private const string Referenced = "SELECT hash FROM revision_files UNION SELECT hash FROM derived_files UNION SELECT location FROM batches WHERE place = 'uploaded'";

    public Task<long?> FindAsync(TenantId tenant, BlobHash hash, CancellationToken cancellationToken) =>
        readers.ReadAsync(
            s => s.First(
                "SELECT size_bytes FROM blobs WHERE tenant_id = $tenant AND hash = $hash",
                r => (long?)r.GetInt64(0),
                ("$tenant", tenant.Value),
                ("$hash", hash.Value)),
            cancellationToken);

    public Task AddAsync(TenantId tenant, BlobHash hash, long sizeBytes, CancellationToken cancellationToken) =>
        writer.RunAsync(
            s => s.Execute(
                "INSERT INTO blobs (tenant_id, hash, size_bytes, created_at) VALUES ($tenant, $hash, $size, $created) ON CONFLICT DO NOTHING",
                ("$tenant", tenant.Value),
                ("$hash", hash.Value),
                ("$size", sizeBytes),
                ("$created", StoredTime.ToMicroseconds(time.GetUtcNow()))),
            cancellationToken);

    public Task<bool> RenewAsync(TenantId tenant, BlobHash hash, CancellationToken cancellationToken) =>
        writer.RunAsync(
            s => s.Execute(
                "UPDATE blobs SET created_at = $now WHERE tenant_id = $tenant AND hash = $hash",
                ("$now", StoredTime.ToMicroseconds(time.GetUtcNow())),
                ("$tenant", tenant.Value),
                ("$hash", hash.Value)) > 0,
            cancellationToken);

    public Task<bool> RemoveUnreferencedAsync(BlobHash hash, DateTimeOffset? olderThan, CancellationToken cancellationToken) =>
        writer.RunAsync(
            s =>
            {
                if (s.Has("SELECT 1 FROM revision_files WHERE hash = $hash UNION ALL SELECT 1 FROM derived_files WHERE hash = $hash UNION ALL SELECT 1 FROM batches WHERE place = 'uploaded' AND location = $hash LIMIT 1", ("$hash", hash.Value))
                    || (olderThan is { } age && s.Has("SELECT 1 FROM blobs WHERE hash = $hash AND created_at >= $age", ("$hash", hash.Value), ("$age", StoredTime.ToMicroseconds(age)))))
                {
                    return false;
                }

                s.Execute("DELETE FROM blobs WHERE hash = $hash", ("$hash", hash.Value));
                return true;
            },
            cancellationToken);

    public Task<FrozenSet<string>> ReferencedAsync(CancellationToken cancellationToken) =>
        readers.ReadAsync(s => s.All(Referenced, r => r.GetString(0)).ToFrozenSet(StringComparer.Ordinal), cancellationToken);

    public Task RemoveStaleDerivedAsync(DateTimeOffset olderThan, CancellationToken cancellationToken) =>
        writer.RunAsync(
            s => s.Execute(
                """
                DELETE FROM derived_files AS d
                WHERE d.created_at < $older
                  AND NOT EXISTS (SELECT 1 FROM revision_files f WHERE f.hash = d.package_hash AND f.tenant_id = d.tenant_id)
                """,
                ("$older", StoredTime.ToMicroseconds(olderThan))),
            cancellationToken);

    public Task<IReadOnlyDictionary<string, ImmutableArray<string>>> PackageFilesAsync(CancellationToken cancellationToken) =>
        readers.ReadAsync<IReadOnlyDictionary<string, ImmutableArray<string>>>(
            s =>
            {
                var packages = new Dictionary<string, ImmutableArray<string>>(StringComparer.Ordinal);
                using var rows = s.Read("SELECT endpoint_id, number, path, hash, size_bytes FROM revision_files ORDER BY endpoint_id, number, position");
                var files = new List<PackageFile>();
                (Guid, int) last = default;
                while (rows.Read())
                {
                    var revision = (rows.Id(0), rows.GetInt32(1));
                    if (revision != last)
                    {
                        Add();
                    }

                    last = revision;
                    files.Add(rows.File(2));
                }

                Add();
                return packages;

                void Add()
                {
                    if (files.Count > 0)
                    {
                        packages[PackageName.Of(files)] = [.. files.Select(f => f.Hash.Value)];
                        files.Clear();
                    }
                }
            },
            cancellationToken);
}
