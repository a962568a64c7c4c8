using Dormouse.Core;
using Dormouse.Core.Access;
using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;
using Dormouse.Core.Packages;
using Dormouse.Core.Queues;
using Dormouse.Core.Usage;
using Dormouse.Storage.Blobs;

namespace Dormouse.Storage.Sqlite;

/// <summary>The database of one data folder: one writer, a few readers, and the aggregates over them.</summary>
public sealed class SqliteStore : IAsyncDisposable
{
    private readonly SqliteWriter _writer;
    private readonly SqliteReaders _readers;
    private readonly SqliteLedger _ledger;

    private SqliteStore(SqliteSession session, string path, Guid serverId, TimeProvider time)
    {
        _writer = new SqliteWriter(session);
        _readers = new SqliteReaders(path);
        _ledger = new SqliteLedger(_writer, _readers);
        ServerId = serverId;
        Catalogue = new SqliteCatalogue(_writer, _readers);
        Keys = new SqliteAccessKeys(_writer, _readers);
        Queue = new SqliteQueue(_writer, _readers);
        Destinations = new SqliteDestinations(_writer, _readers);
        Triggers = new SqliteTriggers(_writer, _readers);
        Derived = new SqliteDerivedFiles(_writer, _readers, time);
        BlobIndex = new SqliteBlobIndex(_writer, _readers, time);
    }

    /// <summary>Identity of the data folder, drawn when it was made.</summary>
    public Guid ServerId { get; }

    public ICatalogue Catalogue { get; }

    public ILedger Ledger => _ledger;

    public IAccessKeys Keys { get; }

    public IQueueStore Queue { get; }

    public IDestinationStore Destinations { get; }

    public ITriggerStore Triggers { get; }

    public IDerivedFiles Derived { get; }

    internal IBlobIndex BlobIndex { get; }

    /// <summary>Opens the folder's database, making it or bringing it to this version's schema.</summary>
    /// <exception cref="DataFolderException">It was written by a newer version or another program; nothing was changed.</exception>
    /// <exception cref="StorageFullException">The disk is full.</exception>
    public static Task<SqliteStore> OpenAsync(DataFolder folder, TimeProvider time, IIdSource ids, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        SqliteSession? session = null;
        try
        {
            SqliteMigrator.Check(folder.DatabasePath);
            session = SqliteSession.OpenWriter(folder.DatabasePath);
            SqliteMigrator.Migrate(session);
            return Task.FromResult(new SqliteStore(session, folder.DatabasePath, FindServerId(session, time, ids), time));
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

    public async ValueTask DisposeAsync()
    {
        // Readers first: the last connection to close is then the writer, which folds the log into the file.
        _readers.Dispose();
        await _writer.DisposeAsync();
    }

    internal Task<long> LastSequenceAsync(CancellationToken cancellationToken) => _ledger.LastSequenceAsync(ServerId, cancellationToken);

    private static Guid FindServerId(SqliteSession session, TimeProvider time, IIdSource ids)
    {
        var known = session.First("SELECT server_id FROM server", r => (Guid?)r.Id(0));
        if (known is { } id)
        {
            return id;
        }

        var drawn = ids.NewId();
        session.Execute(
            "INSERT INTO server (only_row, server_id, created_at) VALUES (1, $id, $created)",
            ("$id", StoredValues.Bytes(drawn)),
            ("$created", StoredTime.ToMicroseconds(time.GetUtcNow())));
        return drawn;
    }
}
