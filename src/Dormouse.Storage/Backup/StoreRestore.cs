using Dormouse.Core.Packages;
using Dormouse.Storage.Postgres;
using Dormouse.Storage.Sql;
using Dormouse.Storage.Sqlite;

namespace Dormouse.Storage.Backup;

/// <summary>Makes a data folder, and with PostgreSQL a database, from a backup of either kind; and copies one kind into the other.</summary>
public static class StoreRestore
{
    /// <summary>Restores into a data folder that has no data, and into a database that has none.</summary>
    /// <exception cref="DataFolderException">It is no whole backup, a file of it is damaged, or there is data already; then nothing of it was changed.</exception>
    /// <exception cref="StorageFullException">A disk is full.</exception>
    /// <exception cref="StoreUnavailableException">The database does not answer.</exception>
    public static Task<BackupManifest> FromAsync(string backup, StorageOptions options, CancellationToken cancellationToken) =>
        Task.Run(() => StoreFaults.Told(() => From(Path.GetFullPath(backup), options, cancellationToken)), cancellationToken);

    /// <summary>
    /// Copies the folder's embedded database into an empty PostgreSQL database. No server may run on the folder; its journal must be empty (the caller opens and closes the storage first). The
    /// embedded database stays as it is, and is not used any more once the setting says PostgreSQL.
    /// </summary>
    /// <returns>How many rows were copied.</returns>
    public static Task<long> ToPostgresAsync(StorageOptions options, PostgresAddress address, CancellationToken cancellationToken) => Task.Run(
        () => StoreFaults.Told(() =>
        {
            using var folder = DataFolder.Open(options.FolderPath);
            return CopyToPostgres(folder.DatabasePath, folder, address, cancellationToken);
        }),
        cancellationToken);

    /// <summary>Copies a PostgreSQL database into the folder's own, which must not be there yet; otherwise as <see cref="ToPostgresAsync"/>.</summary>
    public static Task<long> ToSqliteAsync(StorageOptions options, PostgresAddress address, TimeProvider time, CancellationToken cancellationToken) => Task.Run(
        () => StoreFaults.Told(() =>
        {
            using var folder = DataFolder.Open(options.FolderPath);
            return CopyToSqlite(folder, address, time, cancellationToken);
        }),
        cancellationToken);

    private static BackupManifest From(string backup, StorageOptions options, CancellationToken cancellationToken)
    {
        var manifest = BackupManifest.Read(backup);
        var copy = Path.Combine(backup, StoreBackup.DatabaseName);
        var blobs = Path.Combine(backup, StoreBackup.BlobsName);
        SqliteMigrator.Check(copy);
        using (var session = SqliteSession.OpenUntouched(copy))
        {
            foreach (var (hash, size) in PackageFiles.Referenced(session))
            {
                if (PackageFiles.Fault(blobs, hash, size, cancellationToken) is { } fault)
                {
                    throw new DataFolderException($"The backup is damaged. {fault}");
                }
            }
        }

        using var folder = DataFolder.Open(options.FolderPath);
        if (File.Exists(folder.DatabasePath) || File.Exists(folder.JournalPath) || ServerIdentity.Read(folder.FolderPath) is not null)
        {
            throw new DataFolderException($"The data folder '{folder.FolderPath}' has data. Restore into a new one with --data.");
        }

        // Files first: what refers to them comes last, in one step.
        CopyFiles(backup, folder, cancellationToken);
        if (options.Bucket?.Invoke() is { } bucket)
        {
            using var session = SqliteSession.OpenUntouched(copy);
            foreach (var (hash, _) in PackageFiles.Referenced(session))
            {
                bucket.PutAsync(hash, PackageFiles.PathOf(folder.BlobsPath, hash), cancellationToken).GetAwaiter().GetResult();
            }
        }

        var restored = Path.Combine(folder.FolderPath, "restored.db");
        File.Copy(copy, restored, overwrite: true);
        try
        {
            using (var session = SqliteSession.OpenWriter(restored))
            {
                SqliteMigrator.Migrate(session);
            }

            PackageFiles.Flush(restored);
            if (options.Postgres is { } address)
            {
                CopyToPostgres(restored, folder, address, cancellationToken);
            }
            else
            {
                File.Move(restored, folder.DatabasePath);
            }
        }
        finally
        {
            File.Delete(restored);
        }

        return manifest;
    }

    private static long CopyToPostgres(string database, DataFolder folder, PostgresAddress address, CancellationToken cancellationToken)
    {
        using var from = SqliteSession.OpenUntouched(database);
        using var to = new PostgresSession(address);
        PostgresMigrator.Migrate(to, address);
        var rows = TableCopy.ToPostgres(from, to, address, cancellationToken);
        ServerIdentity.Write(folder, from.First("SELECT server_id FROM server", r => r.Id(0)));
        return rows;
    }

    private static long CopyToSqlite(DataFolder folder, PostgresAddress address, TimeProvider time, CancellationToken cancellationToken)
    {
        if (File.Exists(folder.DatabasePath))
        {
            throw new DataFolderException($"'{folder.DatabasePath}' is there already. Move it away if it is not needed any more.");
        }

        var serverId = ServerIdentity.Read(folder.FolderPath) ?? throw new DataFolderException($"'{folder.FolderPath}' is no data folder of a server on PostgreSQL. Name the folder with --data.");
        var copied = Path.Combine(folder.FolderPath, "copied.db");
        File.Delete(copied);
        try
        {
            using var from = new PostgresSession(address);
            long rows;
            using (var to = SqliteSession.OpenWriter(copied))
            {
                SqliteMigrator.Migrate(to);
                rows = TableCopy.ToSqlite(from, to, cancellationToken);
                SqliteStore.SetServerId(to, serverId, time);
            }

            PackageFiles.Flush(copied);
            File.Move(copied, folder.DatabasePath);
            return rows;
        }
        finally
        {
            File.Delete(copied);
        }
    }

    private static void CopyFiles(string backup, DataFolder folder, CancellationToken cancellationToken)
    {
        DataFolder.MakeFolder(folder.BlobsPath);
        var blobs = Path.Combine(backup, StoreBackup.BlobsName);
        if (Directory.Exists(blobs))
        {
            var files = Directory.EnumerateFiles(blobs, "*", SearchOption.AllDirectories).Select(Path.GetFileName).Where(BlobHash.IsValid);
            PackageFiles.Copy(blobs, folder.BlobsPath, files.Select(f => (new BlobHash(f!), 0L)), cancellationToken);
        }

        var kept = Path.Combine(backup, StoreBackup.FolderName);
        foreach (var file in Directory.Exists(kept) ? Directory.EnumerateFiles(kept, "*", SearchOption.AllDirectories) : [])
        {
            // Settings are left to their owner: they name addresses and the database of the old server.
            var target = Path.Combine(folder.FolderPath, Path.GetRelativePath(kept, file));
            if (Path.GetFileName(file) != "server.yaml" && !File.Exists(target))
            {
                DataFolder.MakeFolder(Path.GetDirectoryName(target)!);
                File.Copy(file, target);
            }
        }
    }
}
