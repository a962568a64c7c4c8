using Dormouse.Core;
using Dormouse.Storage.Sealing;
using Dormouse.Storage.Sql;

namespace Dormouse.Storage.Sqlite;

/// <summary>The database of one data folder.</summary>
internal static class SqliteStore
{
    /// <summary>Opens the folder's database, making it or bringing it to this version's schema.</summary>
    /// <exception cref="DataFolderException">It was written by a newer version or another program; nothing was changed.</exception>
    /// <exception cref="StorageFullException">The disk is full.</exception>
    public static Task<SqlStore> OpenAsync(DataFolder folder, Sealer sealer, TimeProvider time, IIdSource ids, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        SqliteSession? session = null;
        try
        {
            var path = folder.DatabasePath;
            SqliteMigrator.Check(path);
            session = SqliteSession.OpenWriter(path);
            SqliteMigrator.Migrate(session);
            return Task.FromResult(new SqlStore(session, () => SqliteSession.OpenReader(path), FindServerId(session, time, ids), sealer, time));
        }
        catch (Exception e)
        {
            session?.Dispose();
            var translated = SqliteErrors.Translate(e);
            if (translated != e)
            {
                throw translated;
            }

            throw;
        }
    }

    /// <summary>Once, in a database that has none.</summary>
    public static void SetServerId(SqliteSession session, Guid id, TimeProvider time) => session.Execute(
        "INSERT INTO server (only_row, server_id, created_at) VALUES (1, $id, $created)",
        ("$id", id),
        ("$created", StoredTime.ToMicroseconds(time.GetUtcNow())));

    private static Guid FindServerId(SqliteSession session, TimeProvider time, IIdSource ids)
    {
        var known = session.First("SELECT server_id FROM server", r => (Guid?)r.Id(0));
        if (known is { } id)
        {
            return id;
        }

        var drawn = ids.NewId();
        SetServerId(session, drawn, time);
        return drawn;
    }
}
