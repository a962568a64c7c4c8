using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;

namespace Dormouse.Storage.Sqlite;

/// <summary>Derived files by package and key; the content is a blob.</summary>
internal sealed class SqliteDerivedFiles(SqliteWriter writer, SqliteReaders readers, TimeProvider time) : IDerivedFiles
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
            s => s.Number(
                "SELECT EXISTS (SELECT 1 FROM derived_files WHERE tenant_id = $tenant AND package_hash = $package)",
                ("$tenant", tenant.Value),
                ("$package", package.Value)) > 0,
            cancellationToken);

    public Task SaveAsync(TenantId tenant, BlobHash package, string key, PackageFile file, CancellationToken cancellationToken) =>
        writer.RunAsync(
            s => s.Execute(
                """
                INSERT OR REPLACE INTO derived_files (tenant_id, package_hash, key, path, hash, size_bytes, created_at)
                VALUES ($tenant, $package, $key, $path, $hash, $size, $created)
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
