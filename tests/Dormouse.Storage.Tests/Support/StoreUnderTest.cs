using Dormouse.Core.Access;
using Dormouse.Core.Batches;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Core.Usage;
using Dormouse.Storage.Postgres;

namespace Dormouse.Storage.Tests.Support;

/// <summary>A store while a suite runs on it, in a folder of its own.</summary>
internal sealed class StoreUnderTest : IAsyncDisposable
{
    private readonly TestFolder _folder;
    private StorageSet _storage;

    private StoreUnderTest(TestFolder folder, StorageSet storage)
    {
        _folder = folder;
        _storage = storage;
    }

    public ICatalogue Catalogue => _storage.Catalogue;

    public ILedger Ledger => _storage.Ledger;

    public IAccessKeys Keys => _storage.Keys;

    public Core.Secrets.ISecretStore Secrets => _storage.Secrets;

    public IQueueStore Queue => _storage.Queue;

    public IBatchStore Batches => _storage.Batches;

    public Core.Pipelines.IPipelineStore Pipelines => _storage.Pipelines;

    /// <param name="postgres">Null = SQLite.</param>
    public static async Task<StoreUnderTest> OpenAsync(PostgresAddress? postgres)
    {
        var folder = new TestFolder();
        folder.Options = folder.Options with { Postgres = postgres };
        return new StoreUnderTest(folder, await folder.OpenAsync());
    }

    public async Task ReopenAsync()
    {
        await _storage.DisposeAsync();
        _storage = await _folder.OpenAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _storage.DisposeAsync();
        _folder.Dispose();
    }
}
