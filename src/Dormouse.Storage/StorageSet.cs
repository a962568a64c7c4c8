using Dormouse.Core;
using Dormouse.Core.Access;
using Dormouse.Core.Batches;
using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;
using Dormouse.Core.Packages;
using Dormouse.Core.Pipelines;
using Dormouse.Core.Queues;
using Dormouse.Core.Secrets;
using Dormouse.Core.Sharing;
using Dormouse.Core.Usage;
using Dormouse.Storage.Blobs;
using Dormouse.Storage.Journal;
using Dormouse.Storage.Postgres;
using Dormouse.Storage.Sealing;
using Dormouse.Storage.Sql;
using Dormouse.Storage.Sqlite;

namespace Dormouse.Storage;

/// <summary>Everything that one server keeps: a database, in the data folder or elsewhere, and the files of the folder. Closing it folds the journal into the ledger and gives the folder free.</summary>
public sealed class StorageSet : IAsyncDisposable
{
    private readonly DataFolder _folder;
    private readonly SqlStore _store;
    private readonly InvocationJournal _journal;

    private StorageSet(DataFolder folder, SqlStore store, InvocationJournal journal, IBlobStore blobs)
    {
        _folder = folder;
        _store = store;
        _journal = journal;
        Blobs = blobs;
    }

    public ICatalogue Catalogue => _store.Catalogue;

    public ILedger Ledger => _store.Ledger;

    public IAccessKeys Keys => _store.Keys;

    public IQueueStore Queue => _store.Queue;

    public IDestinationStore Destinations => _store.Destinations;

    public ISecretStore Secrets => _store.Secrets;

    public ITriggerStore Triggers => _store.Triggers;

    public IBatchStore Batches => _store.Batches;

    public IPipelineStore Pipelines => _store.Pipelines;

    public IDerivedFiles Derived => _store.Derived;

    public IServerSharing Sharing => _store.Sharing;

    public IBlobStore Blobs { get; }

    public IInvocationJournal Journal => _journal;

    /// <summary>Identity of the data folder; the same at every start.</summary>
    public Guid ServerId => _store.ServerId;

    /// <summary>Full path of the data folder.</summary>
    public string FolderPath => _folder.FolderPath;

    /// <summary>The database in use and its version, for people.</summary>
    /// <exception cref="StoreUnavailableException">It does not answer.</exception>
    public Task<string> DescribeAsync(CancellationToken cancellationToken) => _store.DescribeAsync(cancellationToken);

    /// <summary>Takes the folder, brings its database to this version's schema and folds what an earlier server left in the journal.</summary>
    /// <param name="options">Folder, sizes and intervals.</param>
    /// <param name="time">Clock of stored times, ages and pauses.</param>
    /// <param name="ids">Draws the identity of a new folder.</param>
    /// <param name="onError">Told of failures in the background, from any thread; once when one begins. It must not throw.</param>
    /// <param name="cancellationToken">Ends the opening.</param>
    /// <exception cref="DataFolderException">Another server uses the folder, or a newer version or another program wrote it. Its data is unchanged.</exception>
    /// <exception cref="StorageFullException">There is no room for the database or the journal.</exception>
    public static async Task<StorageSet> OpenAsync(
        StorageOptions options, TimeProvider time, IIdSource ids, Action<Exception> onError, CancellationToken cancellationToken)
    {
        var folder = DataFolder.Open(options.FolderPath);
        SqlStore? store = null;
        try
        {
            var sealer = new Sealer(options.KeyFilePath, time);
            store = options.Postgres is { } address
                ? await PostgresStore.OpenAsync(folder, address, sealer, time, ids, cancellationToken)
                : await SqliteStore.OpenAsync(folder, sealer, time, ids, cancellationToken);
            var blobs = new FileBlobStore(folder, store.BlobIndex, store.Sharing, options, time);
            var lastSequence = await store.LastSequenceAsync(cancellationToken);
            var journal = await InvocationJournal.OpenAsync(folder.JournalPath, store.ServerId, lastSequence, store.Ledger, options, time, onError);
            return new StorageSet(folder, store, journal, blobs);
        }
        catch
        {
            if (store is not null)
            {
                await store.DisposeAsync();
            }

            folder.Dispose();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _journal.DisposeAsync();
        await _store.DisposeAsync();
        _folder.Dispose();
    }
}
