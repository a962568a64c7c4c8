using System.Security.Cryptography;
using System.Text;
using Dormouse.Buckets;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Blobs;

/// <summary>A place that servers share for files, and servers with copies of what lies there.</summary>
public abstract class BucketSuite : IAsyncLifetime
{
    private readonly TestFolder _first = new();
    private readonly TestFolder _second = new();
    private Func<IBlobBucket>? _open;

    private protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private protected IBlobBucket Bucket => _open!();

    public async ValueTask InitializeAsync() => _open = await BucketAsync();

    public virtual ValueTask DisposeAsync()
    {
        _first.Dispose();
        _second.Dispose();
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    private protected abstract Task<Func<IBlobBucket>> BucketAsync();

    /// <summary>Changes what lies there under a hash.</summary>
    private protected abstract Task DamageAsync(BlobHash hash);

    [Fact]
    public async Task What_is_put_is_found_listed_read_and_removed()
    {
        var long1 = RandomNumberGenerator.GetBytes((11 << 20) + 3);
        foreach (var content in new[] { "short"u8.ToArray(), [], long1 })
        {
            var hash = new BlobHash(Convert.ToHexStringLower(SHA256.HashData(content)));
            var path = _first.File("content");
            await File.WriteAllBytesAsync(path, content, Cancellation);
            Assert.Null(await Bucket.FindAsync(hash, Cancellation));
            Assert.False(await Bucket.GetAsync(hash, Stream.Null, Cancellation));

            await Bucket.PutAsync(hash, path, Cancellation);
            await Bucket.PutAsync(hash, path, Cancellation);

            Assert.Equal(content.Length, (await Bucket.FindAsync(hash, Cancellation))!.SizeBytes);
            using var read = new MemoryStream();
            Assert.True(await Bucket.GetAsync(hash, read, Cancellation));
            Assert.Equal(content, read.ToArray());
        }

        Assert.Equal([0, 5, long1.Length], (await Bucket.ListAsync(Cancellation).ToListAsync(Cancellation)).Select(f => f.SizeBytes).Order());
        await foreach (var file in Bucket.ListAsync(Cancellation))
        {
            await Bucket.RemoveAsync(file.Hash, Cancellation);
            await Bucket.RemoveAsync(file.Hash, Cancellation);
        }

        Assert.Empty(await Bucket.ListAsync(Cancellation).ToListAsync(Cancellation));
        await Bucket.ProbeAsync(Cancellation);
        Assert.Empty(await Bucket.ListAsync(Cancellation).ToListAsync(Cancellation));
    }

    [Fact]
    public async Task What_one_server_was_sent_another_one_fetches_and_compares()
    {
        await using var first = await OpenAsync(_first);
        await using var second = await OpenAsync(_second);
        var package = new Package([await SendAsync(first, "labels.txt", "cat"), await SendAsync(first, "model.onnx", "weights")]);

        var folder = await second.Blobs.MaterialiseAsync(package, Cancellation);

        Assert.Equal("weights", await File.ReadAllTextAsync(Path.Combine(folder, "model.onnx"), Cancellation));
        Assert.Equal("cat", await File.ReadAllTextAsync((await second.Blobs.FetchAsync(package.Files[0].Hash, Cancellation))!, Cancellation));

        var damaged = await SendAsync(first, "other.onnx", "other weights");
        await DamageAsync(damaged.Hash);
        var refused = await Assert.ThrowsAsync<BlobsAwayException>(() => second.Blobs.MaterialiseAsync(new Package([damaged]), Cancellation));
        Assert.Contains($"gave another content for {damaged.Hash}", refused.Message, StringComparison.Ordinal);
        Assert.Null(second.Blobs.Materialise(damaged.Hash));
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(_second.Data, "packages", "building")));

        var never = Samples.File("never.onnx", "never sent");
        var missing = await Assert.ThrowsAsync<FileNotFoundException>(() => second.Blobs.MaterialiseAsync(new Package([never]), Cancellation));
        Assert.Contains($"'never.onnx' ({never.Hash}) is neither here nor in {Bucket.Name}", missing.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Copies_are_bounded_and_those_in_use_stay()
    {
        _first.Options = _first.Options with { CacheBytesMax = 250 };
        await using var storage = await OpenAsync(_first);
        var packages = new List<Package>();
        for (var i = 0; i < 5; i++)
        {
            packages.Add(new Package([await SendAsync(storage, "model.onnx", new string((char)('a' + i), 100))]));
            await storage.Catalogue.AddRevisionAsync(Samples.Revision() with { Package = packages[i] }, Samples.Endpoint, Samples.Noon, Cancellation);
        }

        storage.Blobs.Keep(() => [packages[0]]);
        foreach (var package in packages)
        {
            // Each was fetched by itself, long after the one before.
            foreach (var copy in Copies())
            {
                File.Delete(copy);
            }

            await storage.Blobs.MaterialiseAsync(package, Cancellation);
            _first.Time.Advance(TimeSpan.FromMinutes(11));
        }

        // The folders of 1 to 3 have gone for the last one: what was used least goes first.
        var kept = Directory.EnumerateDirectories(Path.Combine(_first.Data, "packages")).Select(Path.GetFileName).Where(n => n != "building").ToList();
        Assert.True(kept.Count <= 5);
        await SendAsync(storage, "late.onnx", new string('z', 200));
        await storage.Blobs.MaterialiseAsync(new Package([Samples.File("late.onnx", new string('z', 200))]), Cancellation);
        Assert.True(Directory.Exists(await storage.Blobs.MaterialiseAsync(packages[0], Cancellation)));

        // What was taken away is fetched again.
        foreach (var package in packages)
        {
            var folder = await storage.Blobs.MaterialiseAsync(package, Cancellation);
            Assert.True(File.Exists(Path.Combine(folder, "model.onnx")));
        }

        IEnumerable<string> Copies() => Directory.EnumerateFiles(Path.Combine(_first.Data, "blobs"), "*", SearchOption.AllDirectories);
    }

    [Fact]
    public async Task The_owner_sweeps_what_nothing_needs_and_nobody_has_asked_for()
    {
        await using var storage = await OpenAsync(_first);
        var needed = await SendAsync(storage, "model.onnx", "needed");
        await storage.Catalogue.AddRevisionAsync(Samples.Revision() with { Package = new Package([needed]) }, Samples.Endpoint, Samples.Noon, Cancellation);
        var asked = await SendAsync(storage, "asked.onnx", "asked for again");
        var old = await SendAsync(storage, "old.onnx", "old");

        // Its files are dated by the place's own clock, which goes on while the test's stands.
        _first.Time.Advance(DateTimeOffset.UtcNow.AddHours(2) - _first.Time.GetUtcNow());
        Assert.True((await storage.Blobs.StatusAsync(TenantId.Default, asked.Hash, Cancellation)).IsComplete);
        await storage.Blobs.SweepAsync(_first.Time.GetUtcNow().AddMinutes(-30), Cancellation);

        var left = (await Bucket.ListAsync(Cancellation).ToListAsync(Cancellation)).Select(f => f.Hash).ToHashSet();
        Assert.Equal([asked.Hash, needed.Hash], left.OrderBy(h => h == needed.Hash));
        Assert.False((await storage.Blobs.StatusAsync(TenantId.Default, old.Hash, Cancellation)).IsComplete);
    }

    private protected async Task<StorageSet> OpenAsync(TestFolder folder)
    {
        folder.Options = folder.Options with { Bucket = _open };
        return await folder.OpenAsync();
    }

    private protected Task<StorageSet> OpenFirstAsync() => OpenAsync(_first);

    private protected static async Task<PackageFile> SendAsync(StorageSet storage, string path, string content)
    {
        var file = Samples.File(path, content);
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(content));
        Assert.Equal(new BlobAppend.Complete(), await storage.Blobs.AppendAsync(TenantId.Default, file.Hash, file.SizeBytes, 0, stream, Cancellation));
        return file;
    }
}

public sealed class SharedFolderBucketTests : BucketSuite
{
    private readonly string _shared = Directory.CreateTempSubdirectory("dormouse-shared-").FullName;

    public override ValueTask DisposeAsync()
    {
        Directory.Delete(_shared, recursive: true);
        return base.DisposeAsync();
    }

    private protected override Task<Func<IBlobBucket>> BucketAsync() => Task.FromResult<Func<IBlobBucket>>(() => SharedFolder.Open(_shared));

    private protected override Task DamageAsync(BlobHash hash) => File.WriteAllTextAsync(Path.Combine(_shared, hash.Value[..2], hash.Value), "damaged", Cancellation);
}

public sealed class S3BucketTests : BucketSuite
{
    private S3Emulator? _server;

    [Fact]
    public async Task While_it_is_away_nothing_is_taken_copies_are_served_and_uploads_go_on_when_it_is_back()
    {
        await using var storage = await OpenFirstAsync();
        var known = new Package([await SendAsync(storage, "model.onnx", "weights")]);
        await _server!.KillAsync();

        var late = Samples.File("late.onnx", "late weights");
        using var content = new MemoryStream("late weights"u8.ToArray());
        var away = await Assert.ThrowsAsync<BlobsAwayException>(() => storage.Blobs.AppendAsync(TenantId.Default, late.Hash, late.SizeBytes, 0, content, Cancellation));
        Assert.StartsWith($"s3://models does not answer at {_server.Address}", away.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<BlobsAwayException>(() => storage.Blobs.StatusAsync(TenantId.Default, known.Files[0].Hash, Cancellation));
        Assert.True(Directory.Exists(await storage.Blobs.MaterialiseAsync(known, Cancellation)));

        await _server.RestartAsync();

        // All of it had arrived here.
        Assert.Equal(new BlobStatus(false, late.SizeBytes), await storage.Blobs.StatusAsync(TenantId.Default, late.Hash, Cancellation));
        Assert.Equal(new BlobAppend.Complete(), await storage.Blobs.AppendAsync(TenantId.Default, late.Hash, late.SizeBytes, late.SizeBytes, Stream.Null, Cancellation));
        Assert.NotNull(await Bucket.FindAsync(late.Hash, Cancellation));
    }

    [Fact]
    public async Task What_is_wrong_with_bucket_or_key_is_said()
    {
        var right = S3Fixture.Options(_server!);

        await SaysAsync(right with { Bucket = "nowhere" }, $"there is no bucket 'nowhere' at {_server!.Address}");
        await SaysAsync(right with { AccessKey = "another" }, "the access key is not known there");
        await SaysAsync(right with { AccessKey = null, SecretKey = null, Profile = "nobody" }, "Set AWS_ACCESS_KEY_ID");
        await SaysAsync(right with { UsesChunkEncoding = true }, "s3.use_chunk_encoding");

        static async Task SaysAsync(S3BucketOptions options, string text)
        {
            using var bucket = new S3Bucket(options);
            var fault = await Assert.ThrowsAsync<BlobsAwayException>(() => bucket.ProbeAsync(Cancellation));
            Assert.Contains(text, fault.Message, StringComparison.Ordinal);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        await base.DisposeAsync();
    }

    /// <summary>A server of its own for each test, which is killed.</summary>
    private protected override async Task<Func<IBlobBucket>> BucketAsync()
    {
        S3Fixture.Skip();
        _server = await S3Emulator.StartAsync();
        return () => new S3Bucket(S3Fixture.Options(_server));
    }

    private protected override async Task DamageAsync(BlobHash hash)
    {
        // The same bytes under another name: its server looks at hashes of its own.
        using var bucket = new S3Bucket(S3Fixture.Options(_server!));
        var path = Path.Combine(_server!.Folder, "damaged");
        await File.WriteAllTextAsync(path, "damaged", Cancellation);
        await bucket.PutAsync(hash, path, Cancellation);
    }
}
