using System.Globalization;
using System.Text;
using Dormouse.Core.Access;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Core.Queues;
using Dormouse.Storage.Backup;
using Dormouse.Storage.Postgres;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Backup;

/// <summary>Backups of one store, restored into both kinds.</summary>
public abstract class BackupSuite(PostgresFixture postgres) : StoreTests
{
    private static readonly PackageFile Model = Samples.File("model.onnx", "the model");

    private string Target => Folder.File("backup");

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_backup_made_while_the_server_writes_is_restored_with_all_that_was_there(bool isRestoredToPostgres)
    {
        await using var storage = await Folder.OpenAsync();
        await FillAsync(storage);
        await File.WriteAllTextAsync(Path.Combine(Folder.Data, "admin-key"), "the key", Cancellation);
        var shown = await ShowAsync(storage);

        var manifest = await StoreBackup.MakeAsync(Folder.Options, Target, Folder.Time, Cancellation);
        await storage.Catalogue.DeleteAsync(Samples.Endpoint, Cancellation);

        using var restored = new TestFolder();
        restored.Options = restored.Options with { Postgres = isRestoredToPostgres ? await postgres.NewAddressAsync() : null };
        await StoreRestore.FromAsync(Target, restored.Options, Cancellation);
        Assert.Equal((storage.ServerId, 1, Model.SizeBytes), (manifest.ServerId, manifest.Files, manifest.FileBytes));
        Assert.Equal("the key", await File.ReadAllTextAsync(Path.Combine(restored.Data, "admin-key"), Cancellation));
        Assert.Empty((await StoreCheck.OfAsync(restored.Options, Cancellation)).Faults);
        await using var again = await restored.OpenAsync();
        Assert.Equal(storage.ServerId, again.ServerId);
        Assert.Equal(shown, await ShowAsync(again));
        Assert.Equal("the model", await File.ReadAllTextAsync(again.Blobs.Materialise(Model.Hash)!, Cancellation));

        // It goes on where the old one was: numbers of receipts and of items are not used again.
        Assert.Equal(4, again.Journal.TryOpen(Samples.Opening(9)));
        await AcceptAsync(again, 600);
        Assert.Equal(3, (await again.Queue.ListAsync(new QueueFilter(TenantId.Default, null, null, null, 1), Cancellation))[0].Position);
        var leased = Assert.Single((await again.Queue.LeaseAsync(CountingIds.Id(80), [new LeaseWish(Samples.Endpoint, 1)], Samples.Noon.AddHours(2), Samples.Noon.AddHours(3), Cancellation)).Items);
        Assert.Equal("body 502", Encoding.UTF8.GetString(leased.Body.Span));
    }

    [Fact]
    public async Task Nothing_is_restored_over_data_or_from_a_backup_that_is_not_whole()
    {
        await using (var storage = await Folder.OpenAsync())
        {
            await FillAsync(storage);
            await StoreBackup.MakeAsync(Folder.Options, Target, Folder.Time, Cancellation);
        }

        var over = await Assert.ThrowsAsync<DataFolderException>(() => StoreRestore.FromAsync(Target, Folder.Options, Cancellation));
        var twice = await Assert.ThrowsAsync<DataFolderException>(() => StoreBackup.MakeAsync(Folder.Options, Target, Folder.Time, Cancellation));
        var nothing = await Assert.ThrowsAsync<DataFolderException>(() => StoreRestore.FromAsync(Folder.Data, Folder.Options, Cancellation));
        var blob = Path.Combine(Target, "blobs", Model.Hash.Value[..2], Model.Hash.Value);
        File.SetUnixFileMode(blob, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await File.WriteAllTextAsync(blob, "the modem", Cancellation);
        using var restored = new TestFolder();
        var damaged = await Assert.ThrowsAsync<DataFolderException>(() => StoreRestore.FromAsync(Target, restored.Options, Cancellation));

        Assert.Contains("has data. Restore into a new one", over.Message, StringComparison.Ordinal);
        Assert.Contains("is not empty", twice.Message, StringComparison.Ordinal);
        Assert.Contains("it has no backup.json", nothing.Message, StringComparison.Ordinal);
        Assert.Contains($"File {Model.Hash}", damaged.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(restored.Data, "dormouse.db")));
    }

    [Fact]
    public async Task The_check_names_totals_counts_and_files_that_are_not_as_they_were_stored()
    {
        await using var storage = await Folder.OpenAsync();
        await FillAsync(storage);
        Assert.Empty((await StoreCheck.OfAsync(Folder.Options, Cancellation)).Faults);

        Execute("UPDATE usage_totals SET billed_ms = billed_ms + 1");
        Execute("UPDATE queue_depths SET queued = 7");
        File.Delete(storage.Blobs.Materialise(Model.Hash)!);
        var report = await StoreCheck.OfAsync(Folder.Options, Cancellation);

        Assert.Equal(3, report.Faults.Length);
        Assert.Contains("the total is", report.Faults[0], StringComparison.Ordinal);
        Assert.Contains("has 1 invocations queued, 0 running and 0 dead; counted are 7, 0 and 0", report.Faults[1], StringComparison.Ordinal);
        Assert.Contains($"File {Model.Hash} is missing", report.Faults[2], StringComparison.Ordinal);
    }

    private static async Task FillAsync(StorageSet storage)
    {
        using var content = new MemoryStream("the model"u8.ToArray());
        await storage.Blobs.AppendAsync(TenantId.Default, Model.Hash, Model.SizeBytes, 0, content, Cancellation);
        var added = await storage.Catalogue.AddRevisionAsync(Samples.Revision() with { Package = new Package([Model]), Interface = "{\"ö\":\"\\u0000\"}" }, Samples.Endpoint, Samples.Noon, Cancellation);
        await storage.Catalogue.CompleteRevisionAsync(added.Revisions[0].Id, RevisionState.Ready, null, null, giveTraffic: true, Samples.Noon, Cancellation);
        await storage.Keys.AddAsync(new AccessKey(TenantId.Default, "abcdefghijkl", "ci", KeyScopes.Invoke, [.. new byte[32]], Samples.Noon), Cancellation);
        await storage.Ledger.AppendAsync(
            [.. Enumerable.Range(1, 3).Select(i => Samples.Receipt(storage.ServerId, i, Samples.Opening(i)) with { PricePico = long.MaxValue - i })], Cancellation);
        await AcceptAsync(storage, 501);
        var leased = Assert.Single((await storage.Queue.LeaseAsync(CountingIds.Id(71), [new LeaseWish(Samples.Endpoint, 1)], Samples.Noon, Samples.Noon.AddMinutes(1), Cancellation)).Items);
        await storage.Queue.EndAsync(
            leased.Item.Lease, new QueueVerdict.Finished(QueueState.Succeeded, new StoredAnswer(200, [KeyValuePair.Create("X", "y")], new byte[] { 0, 255, 7 }), null), null, Samples.Noon, Cancellation);
        await AcceptAsync(storage, 502);
    }

    private static async Task AcceptAsync(StorageSet storage, int number)
    {
        var item = new QueueItem
        {
            Id = new InvocationId(CountingIds.Id(number)),
            Tenant = TenantId.Default,
            Endpoint = Samples.Endpoint,
            Request = new QueuedRequest("POST", "/a?b", null, [KeyValuePair.Create("Content-Type", "text/plain")]),
            AcceptedAt = Samples.Noon,
            NotBefore = Samples.Noon,
            ExpiresAt = Samples.Noon.AddDays(1),
            AttemptsMax = 3,
        };
        var key = new IdempotencyKey("key " + number, new byte[] { 1, 2 }, Samples.Noon.AddDays(1));
        var body = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"body {number}"));
        Assert.IsType<Acceptance.Accepted>(await storage.Queue.AcceptAsync(new NewQueueItem(item, body, key), 10, Cancellation));
    }

    /// <summary>What a user can see of it, as text.</summary>
    private static async Task<string> ShowAsync(StorageSet storage)
    {
        var shown = new StringBuilder();
        await foreach (var entry in storage.Catalogue.ReadAllAsync(Cancellation))
        {
            shown.AppendLine(entry.Endpoint.ToString()).AppendLine(string.Join(' ', entry.Endpoint.Traffic)).AppendLine(string.Join(' ', entry.Revisions.Select(r => $"{r.Id} {r.State} {r.Interface} {r.Package.Files[0]}")));
        }

        foreach (var key in await storage.Keys.ListAsync(TenantId.Default, Cancellation))
        {
            shown.AppendLine(CultureInfo.InvariantCulture, $"{key.Id} {key.Name} {key.Scopes} {Convert.ToHexString(key.SecretHash.AsSpan())} {key.CreatedAt}");
        }

        shown.AppendJoin('\n', await storage.Ledger.RecentAsync(TenantId.Default, null, 10, Cancellation));
        shown.AppendJoin('\n', await storage.Ledger.TotalsAsync(TenantId.Default, null, Samples.Noon, Samples.Noon.AddHours(1), Cancellation));
        foreach (var listed in await storage.Queue.ListAsync(new QueueFilter(TenantId.Default, null, null, null, 10), Cancellation))
        {
            var answer = await storage.Queue.AnswerAsync(TenantId.Default, listed.Item.Id, Cancellation);
            shown.AppendLine(CultureInfo.InvariantCulture, $"{listed.Position} {listed.Item} {answer?.Status} {Convert.ToHexString((answer?.Body ?? default).Span)}");
        }

        shown.AppendJoin('\n', await storage.Queue.DepthsAsync(Samples.Noon, Cancellation));
        return shown.ToString();
    }
}

public sealed class SqliteBackupTests(PostgresFixture postgres) : BackupSuite(postgres);

public sealed class PostgresBackupTests(PostgresFixture postgres) : BackupSuite(postgres)
{
    private readonly PostgresFixture _postgres = postgres;

    private protected override async Task<PostgresAddress?> NewAddressAsync() => await _postgres.NewAddressAsync();
}
