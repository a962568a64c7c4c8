using Dormouse.Core.Endpoints;
using Dormouse.Core.Overflow;
using Dormouse.Storage.Sql;
using Dormouse.Storage.Sqlite;
using Dormouse.Storage.Tests.Support;
using Microsoft.Data.Sqlite;

namespace Dormouse.Storage.Tests.Sqlite;

public sealed class SqliteCatalogueTests : CatalogueSuite
{
    [Fact]
    public async Task Revisions_of_before_have_the_host_of_their_address_as_well()
    {
        RevisionId id;
        await using (var storage = await Folder.OpenAsync())
        {
            var revision = Samples.Revision() with { Spec = Samples.Revision().Spec with { Overflow = new OverflowPolicy("http://10.0.0.1:8080", 5, null, null) } };
            id = (await storage.Catalogue.AddRevisionAsync(revision, new EndpointId(CountingIds.Id(5)), Samples.Noon, Cancellation)).Revisions[0].Id;
            await storage.Catalogue.AddRevisionAsync(Samples.Revision(), new EndpointId(CountingIds.Id(6)), Samples.Noon, Cancellation);
        }

        using (var connection = new SqliteConnection($"Data Source={Path.Combine(Folder.Data, "dormouse.db")};Pooling=False"))
        {
            // The one migration again: the folder as it was, without those that came later.
            using var script = new StreamReader(typeof(StorageSet).Assembly.GetManifestResourceStream("Dormouse.Storage.Sqlite.Migrations.0008_overflow_hosts.sql")!);
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "DROP TABLE overflow_hosts; " + await script.ReadToEndAsync(Cancellation);
            command.ExecuteNonQuery();
        }

        await using var migrated = await Folder.OpenAsync();
        Assert.Equal("10.0.0.1:8080", await migrated.Ledger.OverflowHostAsync(id, Cancellation));
        Assert.Null(await migrated.Ledger.OverflowHostAsync(id with { Number = 2 }, Cancellation));
    }

    [Fact]
    public async Task Reading_all_sorts_nothing()
    {
        await (await Folder.OpenAsync()).DisposeAsync();
        using var session = SqliteSession.OpenReader(Path.Combine(Folder.Data, "dormouse.db"));

        var plan = session.All("EXPLAIN QUERY PLAN " + SqlCatalogue.ReadAllQuery, r => r.GetString(3));

        Assert.DoesNotContain(plan, line => line.Contains("TEMP B-TREE", StringComparison.Ordinal));
        Assert.Contains(plan, line => line.Contains("revisions_routed", StringComparison.Ordinal));
    }
}
