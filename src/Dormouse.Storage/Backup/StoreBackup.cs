using System.Collections.Immutable;
using Dormouse.Core.Packages;
using Dormouse.Storage.Postgres;
using Dormouse.Storage.Sql;
using Dormouse.Storage.Sqlite;

namespace Dormouse.Storage.Backup;

/// <summary>
/// A copy of all that a server keeps, made while it serves: <c>dormouse.db</c> (always an embedded database, of whichever the server uses, as it was at one moment), <c>blobs</c> (the files that it
/// refers to), <c>folder</c> (the administrator's key and other small files) and <c>backup.json</c>.
/// </summary>
public static class StoreBackup
{
    internal const string DatabaseName = "dormouse.db";

    internal const string BlobsName = "blobs";

    internal const string FolderName = "folder";

    /// <summary>Small files and folders of the data folder that a server cannot make anew; <c>server.yaml</c> is kept for people to look at.</summary>
    internal static readonly ImmutableArray<string> Kept = ["admin-key", "overflow-keys", "server.yaml"];

    /// <summary>Makes a backup in a folder that is new or empty. What lies in the journal alone (receipts of the last moment) is not in it.</summary>
    /// <exception cref="DataFolderException">The target is not empty, there is nothing to back up, or a file is missing.</exception>
    /// <exception cref="StorageFullException">The target's disk is full.</exception>
    /// <exception cref="StoreUnavailableException">The database does not answer.</exception>
    public static Task<BackupManifest> MakeAsync(StorageOptions options, string target, TimeProvider time, CancellationToken cancellationToken) =>
        Task.Run(() => StoreFaults.Told(() => Make(options, Path.GetFullPath(target), time, cancellationToken)), cancellationToken);

    private static BackupManifest Make(StorageOptions options, string target, TimeProvider time, CancellationToken cancellationToken)
    {
        if (Directory.Exists(target) && Directory.EnumerateFileSystemEntries(target).Any())
        {
            throw new DataFolderException($"'{target}' is not empty. Name a folder that is new or empty.");
        }

        DataFolder.MakeFolder(target);
        var database = Path.Combine(target, DatabaseName);
        var store = options.Postgres is { } address ? CopyPostgres(options, address, database, time, cancellationToken) : CopySqlite(options, database);
        ImmutableArray<(BlobHash Hash, long SizeBytes)> files;
        Guid serverId;
        bool isSealed;
        using (var session = SqliteSession.OpenUntouched(database))
        {
            files = PackageFiles.Referenced(session);
            serverId = session.First("SELECT server_id FROM server", r => r.Id(0));
            // A database that no server of this version has opened yet lacks the table.
            isSealed = session.Has("SELECT 1 FROM sqlite_master WHERE name = 'sealing_keys'") && session.Has("SELECT 1 FROM sealing_keys LIMIT 1");
        }

        var blobs = Path.Combine(options.FolderPath, BlobsName);
        var here = options.Bucket is null ? files : [.. files.Where(f => File.Exists(PackageFiles.PathOf(blobs, f.Hash)))];
        CopyFiles(blobs, Path.Combine(target, BlobsName), here, cancellationToken);
        PackageFiles.Fetch(options, Path.Combine(target, BlobsName), files, cancellationToken);
        if (files.FirstOrDefault(f => !File.Exists(PackageFiles.PathOf(Path.Combine(target, BlobsName), f.Hash))) is { Hash.Value: { } lost })
        {
            throw new DataFolderException($"File {lost}, which an endpoint needs, is neither in '{blobs}' nor where servers share files. 'dormouse storage check' lists all that are missing.");
        }

        CopyKept(Path.GetFullPath(options.FolderPath), Path.Combine(target, FolderName));
        var manifest = new BackupManifest { MadeAt = time.GetUtcNow(), Store = store, ServerId = serverId, Files = files.Length, FileBytes = files.Sum(f => f.SizeBytes), IsSealed = isSealed };
        manifest.Write(target);
        return manifest;
    }

    /// <summary>One statement that sees one moment, while another process writes.</summary>
    private static string CopySqlite(StorageOptions options, string database)
    {
        var path = Path.Combine(options.FolderPath, DatabaseName);
        if (!File.Exists(path))
        {
            throw new DataFolderException($"There is nothing to back up: '{path}' does not exist. Name the data folder with --data, or the database with --storage.");
        }

        using var session = SqliteSession.OpenReader(path);
        session.Execute("VACUUM INTO $path", ("$path", database));
        PackageFiles.Flush(database);
        return session.Describe();
    }

    private static string CopyPostgres(StorageOptions options, PostgresAddress address, string database, TimeProvider time, CancellationToken cancellationToken)
    {
        var serverId = ServerIdentity.Read(options.FolderPath)
            ?? throw new DataFolderException($"'{options.FolderPath}' is no data folder of a server on PostgreSQL: it has no {ServerIdentity.FileName}. Name the folder with --data.");
        using var from = new PostgresSession(address);
        if (PostgresMigrator.Version(from) is var version && version != PostgresMigrator.CurrentVersion)
        {
            throw new DataFolderException(version is null
                ? $"There is nothing to back up: {address} has no tables of Dormouse."
                : $"{address} has format {version}, this version writes format {PostgresMigrator.CurrentVersion}. Bring it forward with 'dormouse storage migrate', or use the version that serves on it.");
        }

        using var to = SqliteSession.OpenWriter(database);
        SqliteMigrator.Migrate(to);
        TableCopy.ToSqlite(from, to, cancellationToken);
        SqliteStore.SetServerId(to, serverId, time);
        return from.Describe();
    }

    private static void CopyFiles(string from, string to, ImmutableArray<(BlobHash Hash, long SizeBytes)> files, CancellationToken cancellationToken)
    {
        var missing = files.Where(f => !File.Exists(PackageFiles.PathOf(from, f.Hash))).Select(f => f.Hash.Value).ToList();
        if (missing.Count > 0)
        {
            throw new DataFolderException(
                $"{missing.Count} of {files.Length} files that endpoints need are not in '{from}', the first is {missing[0]}. With several servers, back up on one that has them all; 'dormouse storage check' lists them.");
        }

        PackageFiles.Copy(from, to, files, cancellationToken);
    }

    private static void CopyKept(string from, string to)
    {
        foreach (var name in Kept)
        {
            var path = Path.Combine(from, name);
            IEnumerable<string> files = File.Exists(path) ? [path] : Directory.Exists(path) ? Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories) : [];
            foreach (var file in files)
            {
                var copy = Path.Combine(to, Path.GetRelativePath(from, file));
                DataFolder.MakeFolder(Path.GetDirectoryName(copy)!);
                File.Copy(file, copy);
            }
        }
    }
}
