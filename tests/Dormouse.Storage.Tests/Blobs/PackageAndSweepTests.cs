using System.Text;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Blobs;

public sealed class PackageAndSweepTests : IAsyncLifetime
{
    private static readonly TimeSpan Age = TimeSpan.FromHours(1);

    private readonly TestFolder _folder = new();
    private StorageSet? _storage;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private IBlobStore Blobs => _storage!.Blobs;

    public async ValueTask InitializeAsync() => _storage = await _folder.OpenAsync();

    public async ValueTask DisposeAsync()
    {
        await _storage!.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_package_becomes_a_folder_of_links_once()
    {
        var package = new Package([await SendAsync("model.onnx", "weights"), await SendAsync("parts/labels.txt", "cat")]);

        var folder = await Blobs.MaterialiseAsync(package, Cancellation);

        Assert.Equal("weights", await File.ReadAllTextAsync(Path.Combine(folder, "model.onnx"), Cancellation));
        Assert.Equal("cat", await File.ReadAllTextAsync(Path.Combine(folder, "parts", "labels.txt"), Cancellation));
        Assert.Equal(folder, await Blobs.MaterialiseAsync(package, Cancellation));
        Assert.NotEqual(folder, await Blobs.MaterialiseAsync(new Package([package.Files[0] with { Path = "other.onnx" }]), Cancellation));
    }

    [Fact]
    public async Task A_package_whose_file_is_missing_is_not_made_in_part()
    {
        var package = new Package([await SendAsync("model.onnx", "weights"), Samples.File("labels.txt", "never sent")]);

        var missing = await Assert.ThrowsAsync<FileNotFoundException>(() => Blobs.MaterialiseAsync(package, Cancellation));

        Assert.Contains("labels.txt", missing.Message, StringComparison.Ordinal);
        Assert.Equal(["building"], Directory.EnumerateDirectories(Path.Combine(_folder.Data, "packages")).Select(Path.GetFileName));
    }

    [Theory]
    [InlineData("../outside")]
    [InlineData("/etc/passwd")]
    [InlineData("a//b")]
    public async Task A_path_that_leaves_the_folder_is_refused(string path)
    {
        var file = await SendAsync(path, "weights");

        await Assert.ThrowsAsync<ArgumentException>(() => Blobs.MaterialiseAsync(new Package([file]), Cancellation));
    }

    [Fact]
    public async Task A_sweep_removes_what_is_old_and_that_nothing_refers_to()
    {
        var kept = await SendAsync("model.onnx", "kept");
        var derived = await DeriveAsync(kept, "derived of kept");
        var keptFolder = await Blobs.MaterialiseAsync(new Package([kept]), Cancellation);
        await DeployAsync(kept);
        var dropped = await SendAsync("model.onnx", "dropped");
        var droppedFolder = await Blobs.MaterialiseAsync(new Package([dropped]), Cancellation);
        var stale = await DeriveAsync(dropped, "derived of dropped");
        await Blobs.AppendAsync(TenantId.Default, Samples.HashOf("half"), 4, 0, Stream("ha"), Cancellation);

        _folder.Time.Advance(Age * 2);
        var young = await SendAsync("model.onnx", "young");
        await Blobs.AppendAsync(TenantId.Default, Samples.HashOf("late"), 4, 0, Stream("l"), Cancellation);
        var freed = await Blobs.SweepAsync(_folder.Time.GetUtcNow() - Age, Cancellation);

        Assert.Equal("dropped".Length + "derived of dropped".Length + "ha".Length, freed);
        Assert.All([kept, derived, young], f => Assert.NotNull(Blobs.Materialise(f.Hash)));
        Assert.All([dropped, stale], f => Assert.Null(Blobs.Materialise(f.Hash)));
        Assert.True(Directory.Exists(keptFolder));
        Assert.False(Directory.Exists(droppedFolder));
        Assert.Equal(new BlobStatus(false, 0), await Blobs.StatusAsync(TenantId.Default, dropped.Hash, Cancellation));
        Assert.Equal(new BlobStatus(false, 0), await Blobs.StatusAsync(TenantId.Default, Samples.HashOf("half"), Cancellation));
        Assert.Equal(new BlobStatus(false, 1), await Blobs.StatusAsync(TenantId.Default, Samples.HashOf("late"), Cancellation));
    }

    [Fact]
    public async Task What_is_written_beside_a_packages_folder_goes_with_it_and_not_before()
    {
        var (kept, dropped) = (await SendAsync("model.onnx", "kept"), await SendAsync("model.onnx", "dropped"));
        await DeployAsync(kept);
        var beside = new List<string>();
        foreach (var file in (PackageFile[])[kept, dropped])
        {
            var path = await Blobs.MaterialiseAsync(new Package([file]), Cancellation) + ".start-onnx.json";
            await File.WriteAllTextAsync(path, "{}", Cancellation);
            File.SetLastWriteTimeUtc(path, _folder.Time.GetUtcNow().UtcDateTime);
            beside.Add(path);
        }

        await Blobs.SweepAsync(_folder.Time.GetUtcNow() - Age, Cancellation);
        Assert.All(beside, path => Assert.True(File.Exists(path)));

        _folder.Time.Advance(Age * 2);
        await Blobs.SweepAsync(_folder.Time.GetUtcNow() - Age, Cancellation);

        Assert.True(File.Exists(beside[0]));
        Assert.False(File.Exists(beside[1]));
        Assert.Equal([beside[0]], Directory.GetFiles(Path.Combine(_folder.Data, "packages")));
    }

    [Fact]
    public async Task A_blob_that_a_caller_was_just_told_of_is_young_again()
    {
        var file = await SendAsync("model.onnx", "asked for");
        _folder.Time.Advance(Age * 2);
        await Blobs.StatusAsync(TenantId.Default, file.Hash, Cancellation);

        Assert.Equal(0, await Blobs.SweepAsync(_folder.Time.GetUtcNow() - Age, Cancellation));
        Assert.NotNull(Blobs.Materialise(file.Hash));
    }

    [Fact]
    public async Task A_deleted_endpoints_files_are_swept()
    {
        var file = await SendAsync("model.onnx", "was deployed");
        var endpoint = await DeployAsync(file);
        await _storage!.Catalogue.DeleteAsync(endpoint, Cancellation);
        _folder.Time.Advance(Age * 2);

        Assert.Equal(file.SizeBytes, await Blobs.SweepAsync(_folder.Time.GetUtcNow() - Age, Cancellation));
    }

    private static MemoryStream Stream(string text) => new(Encoding.UTF8.GetBytes(text));

    private async Task<PackageFile> SendAsync(string path, string content)
    {
        var file = Samples.File(path, content);
        Assert.Equal(new BlobAppend.Complete(), await Blobs.AppendAsync(TenantId.Default, file.Hash, file.SizeBytes, 0, Stream(content), Cancellation));
        return file;
    }

    private async Task<PackageFile> DeriveAsync(PackageFile from, string content)
    {
        var path = _folder.File("derived");
        await File.WriteAllTextAsync(path, content, Cancellation);
        var file = await Blobs.AdoptAsync(TenantId.Default, path, "model.ort", Cancellation);
        await _storage!.Derived.SaveAsync(TenantId.Default, from.Hash, "key", file, Cancellation);
        return file;
    }

    private async Task<EndpointId> DeployAsync(PackageFile file)
    {
        var entry = await _storage!.Catalogue.AddRevisionAsync(
            Samples.Revision() with { Package = new Package([file]) }, Samples.Endpoint, _folder.Time.GetUtcNow(), Cancellation);
        return entry.Endpoint.Id;
    }
}
