using Dormouse.Core;
using Dormouse.Storage.Sealing;
using Dormouse.Storage.Sql;
using Npgsql;

namespace Dormouse.Storage.Postgres;

/// <summary>A PostgreSQL database that several servers may share.</summary>
internal static class PostgresStore
{
    /// <summary>Opens the database, bringing it to this version's schema.</summary>
    /// <exception cref="DataFolderException">It cannot be reached, or a newer version or another program wrote it; nothing was changed.</exception>
    /// <exception cref="StorageFullException">The database's disk is full.</exception>
    public static async Task<SqlStore> OpenAsync(DataFolder folder, PostgresAddress address, Sealer sealer, TimeProvider time, IIdSource ids, CancellationToken cancellationToken)
    {
        var serverId = ServerIdentity.Find(folder, ids);
        var session = new PostgresSession(address, serverId);
        try
        {
            await Task.Run(() => PostgresMigrator.Migrate(session, address), cancellationToken);
            // Before anything is read: what is changed from here on is told.
            var last = await Task.Run(() => PostgresChanges.Last(session), cancellationToken);
            return new SqlStore(session, () => new PostgresSession(address), serverId, sealer, time) { Sharing = new PostgresSharing(address, serverId, last, time) };
        }
        catch (Exception e)
        {
            session.Dispose();
            throw PostgresErrors.Translate(e) switch
            {
                StoreUnavailableException away => new DataFolderException($"{address} cannot be used. {away.Message}", away),
                PostgresException refused => new DataFolderException($"{address} cannot be used: {refused.MessageText} ({refused.SqlState}).", refused),
                var other => other,
            };
        }
    }
}
