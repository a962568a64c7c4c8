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
using Dormouse.Storage.Sealing;

namespace Dormouse.Storage.Sql;

/// <summary>An open database: one writer, a few readers, and the aggregates over them.</summary>
internal sealed class SqlStore : IAsyncDisposable
{
    private readonly SqlWriter _writer;
    private readonly SqlReaders _readers;
    private readonly SqlLedger _ledger;

    /// <param name="writer">A session that may write; the store disposes of it.</param>
    /// <param name="openReader">Opens one that reads.</param>
    /// <param name="serverId">Identity of the data folder.</param>
    /// <param name="sealer">Seals secrets.</param>
    /// <param name="time">Clock of what the store itself dates.</param>
    public SqlStore(SqlSession writer, Func<SqlSession> openReader, Guid serverId, Sealer sealer, TimeProvider time)
    {
        _writer = new SqlWriter(writer);
        _readers = new SqlReaders(openReader);
        _ledger = new SqlLedger(_writer, _readers);
        ServerId = serverId;
        Catalogue = new SqlCatalogue(_writer, _readers);
        Keys = new SqlAccessKeys(_writer, _readers);
        Queue = new SqlQueue(_writer, _readers, writer.IsShared);
        Destinations = new SqlDestinations(_writer, _readers, sealer);
        Secrets = new SqlSecrets(_writer, _readers, sealer);
        Triggers = new SqlTriggers(_writer, _readers);
        Batches = new SqlBatches(_writer, _readers);
        Pipelines = new SqlPipelines(_writer, _readers);
        Derived = new SqlDerivedFiles(_writer, _readers, time);
        BlobIndex = new SqlBlobIndex(_writer, _readers, time);
    }

    /// <summary>Identity of the data folder, drawn when it was made.</summary>
    public Guid ServerId { get; }

    public ICatalogue Catalogue { get; }

    public ILedger Ledger => _ledger;

    public IAccessKeys Keys { get; }

    public IQueueStore Queue { get; }

    public IDestinationStore Destinations { get; }

    public ISecretStore Secrets { get; }

    public ITriggerStore Triggers { get; }

    public IBatchStore Batches { get; }

    public IPipelineStore Pipelines { get; }

    public IDerivedFiles Derived { get; }

    public IBlobIndex BlobIndex { get; }

    public IServerSharing Sharing { get; init; } = new SoleServer();

    public Task<long> LastSequenceAsync(CancellationToken cancellationToken) => _ledger.LastSequenceAsync(ServerId, cancellationToken);

    public Task<string> DescribeAsync(CancellationToken cancellationToken) => _readers.ReadAsync(s => s.Describe(), cancellationToken);

    public async ValueTask DisposeAsync()
    {
        // Readers first: the last connection to close is then the writer, which on SQLite folds the log into the file.
        _readers.Dispose();
        await _writer.DisposeAsync();
    }
}
