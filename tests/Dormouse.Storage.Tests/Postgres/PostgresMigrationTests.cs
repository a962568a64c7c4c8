using Dormouse.Core.Endpoints;
using Dormouse.Storage.Postgres;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Postgres;

public sealed class PostgresMigrationTests(PostgresFixture postgres) : StoreTests
{
    private protected override async Task<PostgresAddress?> NewAddressAsync() => await postgres.NewAddressAsync();

    [Fact]
    public async Task Of_servers_that_start_together_one_migrates_and_all_work()
    {
        var folders = Enumerable.Range(0, 4).Select(_ => new TestFolder()).ToList();
        foreach (var folder in folders)
        {
            folder.Options = folder.Options with { Postgres = Folder.Options.Postgres };
        }

        var all = await Task.WhenAll(folders.Select(f => f.OpenAsync()));

        await all[0].Catalogue.AddRevisionAsync(Samples.Revision(), Samples.Endpoint, Samples.Noon, Cancellation);
        foreach (var storage in all)
        {
            Assert.Equal(Samples.Endpoint, (await storage.Catalogue.FindAsync(TenantId.Default, "digits", Cancellation))!.Id);
            await storage.DisposeAsync();
        }

        folders.ForEach(f => f.Dispose());
    }

    [Fact]
    public async Task A_database_of_a_newer_version_is_refused_with_both_numbers_and_stays_as_it_was()
    {
        await (await Folder.OpenAsync()).DisposeAsync();
        Execute("UPDATE dormouse_schema SET version = 7000");

        var refused = await Assert.ThrowsAsync<DataFolderException>(Folder.OpenAsync);

        Assert.Contains("format 7000, written by a newer version of Dormouse", refused.Message, StringComparison.Ordinal);
        Assert.Contains($"up to format {PostgresMigrator.CurrentVersion}", refused.Message, StringComparison.Ordinal);
        using var session = new PostgresSession(Folder.Options.Postgres!);
        Assert.Equal(7000, PostgresMigrator.Version(session));
    }

    [Fact]
    public async Task Tables_of_another_program_are_left_alone()
    {
        await (await Folder.OpenAsync()).DisposeAsync();
        Execute("DROP TABLE dormouse_schema");

        var refused = await Assert.ThrowsAsync<DataFolderException>(Folder.OpenAsync);

        Assert.Contains("holds tables of another program", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_migration_that_fails_leaves_nothing_behind()
    {
        // The last tables of the schema are in the way.
        using (var session = new PostgresSession(Folder.Options.Postgres!))
        {
            Assert.Null(PostgresMigrator.Version(session));
            session.Script($"CREATE SCHEMA {new Npgsql.NpgsqlConnectionStringBuilder(Folder.Options.Postgres!.ConnectionString).SearchPath}; CREATE TABLE queue_depths (x bigint)");
        }

        await Assert.ThrowsAsync<DataFolderException>(Folder.OpenAsync);

        using var after = new PostgresSession(Folder.Options.Postgres!);
        Assert.Equal(1, after.Number("SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()"));
    }

    [Fact]
    public async Task A_folder_with_a_database_of_its_own_is_not_put_out_of_sight()
    {
        var address = Folder.Options.Postgres;
        Folder.Options = Folder.Options with { Postgres = null };
        await (await Folder.OpenAsync()).DisposeAsync();
        Folder.Options = Folder.Options with { Postgres = address };

        var refused = await Assert.ThrowsAsync<DataFolderException>(Folder.OpenAsync);

        Assert.Contains("holds a database of its own (dormouse.db)", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_folder_keeps_its_server_id_and_only_its_owner_may_look_into_it()
    {
        Directory.CreateDirectory(Folder.Data);
        Guid id;
        await using (var first = await Folder.OpenAsync())
        {
            id = first.ServerId;
        }

        File.SetUnixFileMode(Folder.Data, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.OtherRead);
        await using var second = await Folder.OpenAsync();

        Assert.Equal(id, second.ServerId);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Folder.Data));
        Assert.StartsWith("PostgreSQL 1", await second.DescribeAsync(Cancellation), StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(Folder.Data, "dormouse.db")));
    }

    [Fact]
    public async Task Texts_that_PostgreSQL_does_not_take_are_kept_as_far_as_it_does()
    {
        await using var storage = await Folder.OpenAsync();
        var added = await storage.Catalogue.AddRevisionAsync(Samples.Revision() with { State = RevisionState.Verifying }, Samples.Endpoint, Samples.Noon, Cancellation);

        await storage.Catalogue.CompleteRevisionAsync(added.Revisions[0].Id, RevisionState.Failed, null, "at byte \0 of 'ö'", giveTraffic: true, Samples.Noon, Cancellation);

        Assert.Equal("at byte \uFFFD of 'ö'", (await storage.Catalogue.FindRevisionAsync(added.Revisions[0].Id, Cancellation))!.Failure);
    }

    [Fact]
    public async Task An_address_that_nobody_answers_at_is_told_without_its_password()
    {
        var address = PostgresAddress.TryParse("postgres://u:secret@127.0.0.1:1/d")!;
        Folder.Options = Folder.Options with { Postgres = address };

        var refused = await Assert.ThrowsAsync<DataFolderException>(Folder.OpenAsync);

        Assert.StartsWith("postgres://u@127.0.0.1:1/d cannot be used. The database does not answer", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", refused.ToString(), StringComparison.Ordinal);
    }
}
