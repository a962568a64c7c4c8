using System.Text;
using Dormouse.Core.Access;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Core.Usage;
using Dormouse.Storage.Tests.Support;
using Microsoft.Data.Sqlite;

namespace Dormouse.Storage.Tests;

/// <summary>
/// Data folders as releases left them must open for ever. <c>Folders/0.1.0</c> was made by <see cref="Make_the_folder_of_this_version"/> (run it alone, with
/// <c>--explicit only</c>, before a release, and keep what it writes): a server that was killed with one receipt and one open invocation in its journal.
/// </summary>
public sealed class ReleasedFolderTests : IDisposable
{
    private readonly TestFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("0.1.0")]
    public async Task The_folder_of_a_release_opens_with_all_that_was_in_it(string version)
    {
        Copy(Path.Combine(AppContext.BaseDirectory, "Folders", version), _folder.Data);

        await using var storage = await _folder.OpenAsync();

        var entry = Assert.Single(await storage.Catalogue.ReadAllAsync(Cancellation).ToListAsync(Cancellation));
        Assert.Equal(("digits", 1), (entry.Endpoint.Name, Assert.Single(entry.Revisions).Id.Number));
        Assert.Equal([new TrafficShare(1, 100)], entry.Endpoint.Traffic);
        Assert.Equal(2, (await storage.Catalogue.RevisionsAsync(entry.Endpoint.Id, Cancellation)).Length);
        Assert.Equal(2, Assert.Single(await storage.Catalogue.UnverifiedAsync(Cancellation)).Id.Number);
        Assert.Equal("kept by 0.1.0", await File.ReadAllTextAsync(storage.Blobs.Materialise(entry.Revisions[0].Package.Files[0].Hash)!, Cancellation));
        Assert.Equal("ci", Assert.Single(await storage.Keys.ListAsync(TenantId.Default, Cancellation)).Name);
        Assert.Null(entry.Revisions[0].LoadTime);
        var load = new ModelLoad("{}", TimeSpan.FromMicroseconds(1500));
        var loaded = await storage.Catalogue.CompleteRevisionAsync(entry.Revisions[0].Id, RevisionState.Ready, load, null, giveTraffic: false, Samples.Noon, Cancellation);
        Assert.Equal(load.Time, loaded!.Revisions[0].LoadTime);
        var receipts = await storage.Ledger.RecentAsync(TenantId.Default, null, 10, Cancellation);
        Assert.Equal([Outcome.ServerLost, Outcome.Completed, Outcome.Completed], receipts.Select(r => r.Outcome));
        Assert.Equal(receipts[2] with { Sequence = 2, Invocation = receipts[1].Invocation, StartedAt = receipts[1].StartedAt }, receipts[1]);
        Assert.All(receipts, r => Assert.Equal(ReceiptLine.OnDemand, r.Line));
        Assert.Empty(await storage.Ledger.CheckAsync(null, Cancellation));
        Assert.Equal(4, storage.Journal.TryOpen(Samples.Opening(9)));
    }

    [Fact(Explicit = true)]
    public async Task Make_the_folder_of_this_version()
    {
        await using var storage = await _folder.OpenAsync();
        var file = Samples.File("model.onnx", "kept by 0.1.0");
        using var content = new MemoryStream(Encoding.UTF8.GetBytes("kept by 0.1.0"));
        await storage.Blobs.AppendAsync(TenantId.Default, file.Hash, file.SizeBytes, 0, content, Cancellation);
        var revision = Samples.Revision() with { Package = new Package([file]), Interface = "{\"inputs\":[],\"outputs\":[]}" };
        var first = await storage.Catalogue.AddRevisionAsync(revision, Samples.Endpoint, Samples.Noon, Cancellation);
        await storage.Catalogue.CompleteRevisionAsync(first.Revisions[0].Id, RevisionState.Ready, null, null, giveTraffic: true, Samples.Noon, Cancellation);
        await storage.Catalogue.AddRevisionAsync(revision with { State = RevisionState.Verifying }, Samples.Endpoint, Samples.Noon, Cancellation);
        await storage.Keys.AddAsync(new AccessKey(TenantId.Default, "abcdefghijkl", "ci", KeyScopes.Invoke, [.. new byte[32]], Samples.Noon), Cancellation);
        Close(storage, Samples.Opening(1));
        await storage.Journal.FlushAsync(Cancellation);

        // The clock stands still, so this one and the next are in the journal alone when the files are copied.
        Close(storage, Samples.Opening(2));
        storage.Journal.TryOpen(Samples.Opening(3));
        Checkpoint();
        var target = Path.Combine(SourceFolder(), "Folders", "0.1.0");
        Directory.CreateDirectory(target);
        File.Copy(Path.Combine(_folder.Data, "dormouse.db"), Path.Combine(target, "dormouse.db"), overwrite: true);
        File.Copy(Path.Combine(_folder.Data, "journal"), Path.Combine(target, "journal"), overwrite: true);
        Copy(Path.Combine(_folder.Data, "blobs"), Path.Combine(target, "blobs"));
    }

    private static void Close(StorageSet storage, InvocationOpening opening) =>
        storage.Journal.Close(Samples.Receipt(storage.ServerId, storage.Journal.TryOpen(opening), opening));

    private static string SourceFolder()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Dormouse.slnx")))
        {
            folder = folder.Parent ?? throw new DirectoryNotFoundException("This test must run inside the checkout.");
        }

        return Path.Combine(folder.FullName, "tests", "Dormouse.Storage.Tests");
    }

    private static void Copy(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target, overwrite: true);
        }
    }

    private void Checkpoint()
    {
        using var connection = new SqliteConnection($"Data Source={Path.Combine(_folder.Data, "dormouse.db")};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "PRAGMA wal_checkpoint(TRUNCATE)";
        command.ExecuteNonQuery();
    }
}
