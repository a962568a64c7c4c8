using Dormouse.Storage.Backup;
using Dormouse.Storage.Postgres;
using Dormouse.Storage.Sqlite;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Backup;

public sealed class SchemaTests(PostgresFixture postgres) : StoreTests
{
    [Fact]
    public async Task Both_databases_have_the_same_tables_with_the_same_columns()
    {
        await (await Folder.OpenAsync()).DisposeAsync();
        var address = await postgres.NewAddressAsync();
        using var theirs = new PostgresSession(address);
        PostgresMigrator.Migrate(theirs, address);
        using var ours = SqliteSession.OpenReader(Path.Combine(Folder.Data, "dormouse.db"));

        var columns = theirs.All(
            "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name NOT LIKE 'dormouse_%'", r => r.GetString(0));

        Assert.Equal(CopiedTable.All(ours).SelectMany(t => t.Columns.Select(c => t.Name + "." + c)).Order(StringComparer.Ordinal), columns.Order(StringComparer.Ordinal));
    }
}
