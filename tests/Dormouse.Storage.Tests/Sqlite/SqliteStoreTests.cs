using Dormouse.Core.Access;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;
using Dormouse.Storage.Sqlite;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Sqlite;

/// <summary>The suite of every store, on SQLite.</summary>
public sealed class SqliteStoreTests : StoreSuite
{
    internal override async Task<IStoreUnderTest> OpenAsync()
    {
        var store = new StoreUnderTest();
        await store.OpenAsync();
        return store;
    }

    private sealed class StoreUnderTest : IStoreUnderTest
    {
        private readonly TestFolder _folder = new();
        private DataFolder? _data;
        private SqliteStore? _store;

        public ICatalogue Catalogue => _store!.Catalogue;

        public ILedger Ledger => _store!.Ledger;

        public IAccessKeys Keys => _store!.Keys;

        public async Task OpenAsync()
        {
            _data = DataFolder.Open(_folder.Data);
            _store = await SqliteStore.OpenAsync(_data, _folder.Time, _folder.Ids, TestContext.Current.CancellationToken);
        }

        public async Task ReopenAsync()
        {
            await CloseAsync();
            await OpenAsync();
        }

        public async ValueTask DisposeAsync()
        {
            await CloseAsync();
            _folder.Dispose();
        }

        private async Task CloseAsync()
        {
            await _store!.DisposeAsync();
            _data!.Dispose();
        }
    }
}
