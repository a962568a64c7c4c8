using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;

namespace Dormouse.Storage.Sql;

/// <summary>Derived files by package and key; the content is a blob.</summary>
internal sealed class SqlDerivedFiles(SqlWriter writer, SqlReaders readers, TimeProvider time) : IDerivedFiles
{
    public Task<PackageFile?> FindAsync(TenantId tenant, BlobHash package, string key, CancellationToken cancellationToken) =>
        readers.ReadAsync(
            s => s.First(
                "SELECT path, hash, size_bytes FROM derived_files WHERE tenant_id = $tenant AND package_hash = $package AND key = $key",
                r => r.File(0),
                ("$tenant", tenant.Value),
                ("$package", package.Value),
                ("$key", key)),
            cancellationToken);

    public Task<bool> AnyAsync(TenantId tenant, BlobHash package, CancellationToken cancellationToken) =>
        readers.ReadAsync(
            s => s.Has(
                "SELECT 1 FROM derived_files WHERE tenant_id = $tenant AND package_hash = $package LIMIT 1",
                ("$tenant", tenant.Value),
                ("$package", package.Value)),
            cancellationToken);

    public Task SaveAsync(TenantId tenant, BlobHash package, string key, PackageFile file, CancellationToken cancellationToken) =>
        writer.RunAsync(
            s => s.Execute(
                """
                INSERT INTO derived_files (tenant_id, package_hash, key, path, hash, size_bytes, created_at)
                VALUES ($tenant, $package, $key, $path, $hash, $size, $created)
                ON CONFLICT (tenant_id, package_hash, key) DO UPDATE SET
                    path = excluded.path, hash = excluded.hash, size_bytes = excluded.size_bytes, created_at = excluded.created_at
                """,
                ("$tenant", tenant.Value),
                ("$package", package.Value),
                ("$key", key),
                ("$path", file.Path),
                ("$hash", file.Hash.Value),
                ("$size", file.SizeBytes),
                ("$created", StoredTime.ToMicroseconds(time.GetUtcNow()))),
            cancellationToken);
}
