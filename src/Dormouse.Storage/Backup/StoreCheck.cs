using System.Collections.Immutable;
using System.Security.Cryptography;
using Dormouse.Core.Packages;
using Dormouse.Storage.Postgres;
using Dormouse.Storage.Sql;
using Dormouse.Storage.Sqlite;

namespace Dormouse.Storage.Backup;

/// <param name="Store">The database and its version, for people.</param>
/// <param name="Files">Files that endpoints need.</param>
/// <param name="Faults">Sentences; empty when all is well.</param>
public sealed record CheckReport(string Store, int Files, ImmutableArray<string> Faults);

/// <summary>Looks whether what a server keeps is whole, also while it serves: the database's own check, totals against receipts, counts of the queue, and every file against its hash.</summary>
public static class StoreCheck
{
    /// <exception cref="DataFolderException">There is no data, or a newer version wrote it.</exception>
    /// <exception cref="StoreUnavailableException">The database does not answer.</exception>
    public static Task<CheckReport> OfAsync(StorageOptions options, CancellationToken cancellationToken) =>
        Task.Run(() => StoreFaults.Told(() => Of(options, cancellationToken)), cancellationToken);

    private static CheckReport Of(StorageOptions options, CancellationToken cancellationToken)
    {
        using var session = Open(options);
        var faults = ImmutableArray.CreateBuilder<string>();
        session.AtOneMoment(() =>
        {
            faults.AddRange(session.Inspect());
            faults.AddRange(SqlLedger.Check(session, long.MinValue, cancellationToken));
            faults.AddRange(QueueFaults(session));
            return true;
        });
        var files = PackageFiles.Referenced(session);
        var blobs = Path.Combine(Path.GetFullPath(options.FolderPath), StoreBackup.BlobsName);
        faults.AddRange((options.Bucket?.Invoke() is { } bucket ? BucketFaults(bucket, files, cancellationToken) : files.Select(f => PackageFiles.Fault(blobs, f.Hash, f.SizeBytes, cancellationToken))).OfType<string>());
        return new CheckReport(session.Describe(), files.Length, faults.ToImmutable());
    }

    /// <summary>Every file is read: a bucket's own checks are not ours.</summary>
    private static IEnumerable<string?> BucketFaults(IBlobBucket bucket, ImmutableArray<(BlobHash Hash, long SizeBytes)> files, CancellationToken cancellationToken)
    {
        foreach (var (hash, size) in files)
        {
            using var sum = SHA256.Create();
            using var into = new CryptoStream(Stream.Null, sum, CryptoStreamMode.Write);
            if (!bucket.GetAsync(hash, into, cancellationToken).GetAwaiter().GetResult())
            {
                yield return $"File {hash} ({size} bytes) is missing in {bucket.Name}.";
                continue;
            }

            into.FlushFinalBlock();
            yield return Convert.ToHexStringLower(sum.Hash!) == hash.Value ? null : $"File {hash} in {bucket.Name} has another content than was stored.";
        }
    }

    private static SqlSession Open(StorageOptions options)
    {
        if (options.Postgres is { } address)
        {
            var session = new PostgresSession(address);
            if (PostgresMigrator.Version(session) == PostgresMigrator.CurrentVersion)
            {
                return session;
            }

            session.Dispose();
            throw new DataFolderException($"{address} has no tables of this version's format ({PostgresMigrator.CurrentVersion}). 'dormouse storage migrate' makes them or brings them forward.");
        }

        var path = Path.Combine(options.FolderPath, StoreBackup.DatabaseName);
        if (!File.Exists(path))
        {
            throw new DataFolderException($"There is nothing to check: '{path}' does not exist. Name the data folder with --data, or the database with --storage.");
        }

        SqliteMigrator.Check(path);
        var reader = SqliteSession.OpenReader(path);
        if (reader.Number("PRAGMA user_version") == SqliteMigrator.CurrentVersion)
        {
            return reader;
        }

        reader.Dispose();
        throw new DataFolderException($"'{path}' has an older format than this version's ({SqliteMigrator.CurrentVersion}). Bring it forward with 'dormouse storage migrate', or by a start of the server.");
    }

    /// <summary>Counts of the queue are kept beside its items.</summary>
    private static List<string> QueueFaults(SqlSession session) => session.All(
        """
        SELECT i.endpoint_id, i.queued, i.leased, i.dead, COALESCE(d.queued, 0), COALESCE(d.leased, 0), COALESCE(d.dead, 0)
        FROM (
            SELECT endpoint_id, SUM(CASE WHEN state = 'queued' THEN 1 ELSE 0 END) AS queued, SUM(CASE WHEN state = 'leased' THEN 1 ELSE 0 END) AS leased,
                SUM(CASE WHEN state = 'dead' THEN 1 ELSE 0 END) AS dead
            FROM queue_items GROUP BY endpoint_id) AS i
        LEFT JOIN queue_depths d ON d.endpoint_id = i.endpoint_id
        WHERE i.queued <> COALESCE(d.queued, 0) OR i.leased <> COALESCE(d.leased, 0) OR i.dead <> COALESCE(d.dead, 0)
        """,
        r => $"Endpoint {r.Id(0)} has {r.GetInt64(1)} invocations queued, {r.GetInt64(2)} running and {r.GetInt64(3)} dead; counted are {r.GetInt64(4)}, {r.GetInt64(5)} and {r.GetInt64(6)}.");
}
