using System.Text;
using CsCheck;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Blobs;

/// <summary>What every store of files has to do: one whose files lie in the data folder alone, in a folder that servers share, or in a bucket.</summary>
public abstract class BlobSuite : IAsyncLifetime
{
    private const string Content = "the content of a small model file";
    private static readonly BlobHash Hash = Samples.HashOf(Content);
    private static readonly TenantId Other = new("team-b");

    private readonly TestFolder _folder = new();
    private StorageSet? _storage;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private IBlobStore Blobs => _storage!.Blobs;

    public async ValueTask InitializeAsync()
    {
        _folder.Options = _folder.Options with { BlobBytesMax = 1 << 20, Bucket = await BucketAsync() };
        _storage = await _folder.OpenAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_storage is not null)
        {
            await _storage.DisposeAsync();
        }

        _folder.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Null = in the data folder alone.</summary>
    private protected virtual Task<Func<IBlobBucket>?> BucketAsync() => Task.FromResult<Func<IBlobBucket>?>(null);

    [Fact]
    public async Task A_whole_file_becomes_complete_and_readable_by_its_hash()
    {
        Assert.Equal(new BlobStatus(false, 0), await Blobs.StatusAsync(TenantId.Default, Hash, Cancellation));
        Assert.Null(Blobs.Materialise(Hash));

        Assert.Equal(new BlobAppend.Complete(), await SendAsync(TenantId.Default, Content));

        Assert.Equal(new BlobStatus(true, Content.Length), await Blobs.StatusAsync(TenantId.Default, Hash, Cancellation));
        Assert.Equal(Content, await File.ReadAllTextAsync(Blobs.Materialise(Hash)!, Cancellation));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead, File.GetUnixFileMode(Blobs.Materialise(Hash)!));
    }

    [Fact]
    public async Task An_upload_in_pieces_is_complete_after_the_last_one()
    {
        var files = 0;
        await Gen.Int[1, 12].Array[0, 8].SampleAsync(
            async pieces =>
            {
                // Each time another content: what was sent once need not be sent again.
                var text = $"{++files} {Content}";
                var (hash, sent, size) = (Samples.HashOf(text), 0, Encoding.UTF8.GetByteCount(text));
                foreach (var piece in pieces.Append(size))
                {
                    var next = Math.Min(size, sent + piece);
                    var outcome = await Blobs.AppendAsync(TenantId.Default, hash, size, sent, Stream(text[sent..next]), Cancellation);
                    Assert.Equal(next == size ? new BlobAppend.Complete() : new BlobAppend.Partial(next), outcome);
                    sent = next;
                }

                Assert.Equal(text, await File.ReadAllTextAsync(Blobs.Materialise(hash)!, Cancellation));
            },
            iter: 40,
            threads: 1);
    }

    [Fact]
    public async Task A_wrong_offset_is_told_the_right_one()
    {
        await Blobs.AppendAsync(TenantId.Default, Hash, Content.Length, 0, Stream(Content[..10]), Cancellation);

        Assert.Equal(new BlobAppend.WrongOffset(10), await Blobs.AppendAsync(TenantId.Default, Hash, Content.Length, 0, Stream(Content), Cancellation));
        Assert.Equal(new BlobAppend.WrongOffset(10), await Blobs.AppendAsync(TenantId.Default, Hash, Content.Length, 11, Stream(Content), Cancellation));
        Assert.Equal(new BlobStatus(false, 10), await Blobs.StatusAsync(TenantId.Default, Hash, Cancellation));
    }

    [Fact]
    public async Task A_file_whose_hash_differs_is_dropped()
    {
        var wrong = "x" + Content[1..];

        Assert.Equal(
            new BlobAppend.WrongHash(Samples.HashOf(wrong)),
            await Blobs.AppendAsync(TenantId.Default, Hash, Content.Length, 0, Stream(wrong), Cancellation));

        Assert.Equal(new BlobStatus(false, 0), await Blobs.StatusAsync(TenantId.Default, Hash, Cancellation));
        Assert.Null(Blobs.Materialise(Hash));
        Assert.Equal(new BlobAppend.Complete(), await SendAsync(TenantId.Default, Content));
    }

    [Fact]
    public async Task What_arrived_stays_when_the_stream_breaks_and_when_the_server_starts_again()
    {
        await Assert.ThrowsAsync<IOException>(() =>
            Blobs.AppendAsync(TenantId.Default, Hash, Content.Length, 0, new BreakingStream(Encoding.UTF8.GetBytes(Content[..20])), Cancellation));
        await _storage!.DisposeAsync();
        _storage = await _folder.OpenAsync();

        Assert.Equal(new BlobStatus(false, 20), await Blobs.StatusAsync(TenantId.Default, Hash, Cancellation));
        Assert.Equal(new BlobAppend.Complete(), await Blobs.AppendAsync(TenantId.Default, Hash, Content.Length, 20, Stream(Content[20..]), Cancellation));
    }

    [Fact]
    public async Task An_empty_file_is_a_file()
    {
        Assert.Equal(new BlobAppend.Complete(), await SendAsync(TenantId.Default, ""));

        Assert.Equal(0, new FileInfo(Blobs.Materialise(Samples.HashOf(""))!).Length);
    }

    [Fact]
    public async Task A_size_that_changes_starts_the_upload_anew()
    {
        await Blobs.AppendAsync(TenantId.Default, Hash, Content.Length + 50, 0, Stream(Content + "surplus"), Cancellation);

        Assert.Equal(new BlobAppend.Complete(), await SendAsync(TenantId.Default, Content));
    }

    [Fact]
    public async Task Two_senders_at_once_do_not_mix()
    {
        var gated = new GatedStream(Encoding.UTF8.GetBytes(Content));
        var first = Blobs.AppendAsync(TenantId.Default, Hash, Content.Length, 0, gated, Cancellation);
        await gated.Reading.WaitAsync(Cancellation);
        var second = SendAsync(TenantId.Default, Content);
        Assert.False(second.IsCompleted);

        gated.Open();

        Assert.Equal(new BlobAppend.Complete(), await first);
        Assert.Equal(new BlobAppend.Complete(), await second);
        Assert.Equal(Content, await File.ReadAllTextAsync(Blobs.Materialise(Hash)!, Cancellation));
    }

    [Fact]
    public async Task A_tenant_sees_only_what_it_sent_itself_and_both_share_one_copy()
    {
        await SendAsync(TenantId.Default, Content);

        Assert.Equal(new BlobStatus(false, 0), await Blobs.StatusAsync(Other, Hash, Cancellation));
        Assert.Equal(new BlobAppend.Partial(5), await Blobs.AppendAsync(Other, Hash, Content.Length, 0, Stream(Content[..5]), Cancellation));
        Assert.Equal(new BlobAppend.Complete(), await Blobs.AppendAsync(Other, Hash, Content.Length, 5, Stream(Content[5..]), Cancellation));
        Assert.Equal(new BlobStatus(true, Content.Length), await Blobs.StatusAsync(Other, Hash, Cancellation));
        Assert.Single(Directory.EnumerateFiles(Path.Combine(_folder.Data, "blobs"), "*", SearchOption.AllDirectories));
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(_folder.Data, "uploads"), "*", SearchOption.AllDirectories));
    }

    [Theory]
    [InlineData("../../etc/passwd")]
    [InlineData("ABCDEF")]
    [InlineData("")]
    public async Task A_hash_that_is_none_never_becomes_a_path(string hash)
    {
        await Assert.ThrowsAsync<ArgumentException>(() => Blobs.StatusAsync(TenantId.Default, new BlobHash(hash), Cancellation));
        await Assert.ThrowsAsync<ArgumentException>(() => Blobs.AppendAsync(TenantId.Default, new BlobHash(hash), 1, 0, Stream("x"), Cancellation));
        Assert.Throws<ArgumentException>(() => Blobs.Materialise(new BlobHash(hash)));
    }

    [Theory]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData("")]
    public async Task A_tenant_that_is_none_never_becomes_a_path(string tenant)
    {
        await Assert.ThrowsAsync<ArgumentException>(() => Blobs.AppendAsync(new TenantId(tenant), Hash, 1, 0, Stream("x"), Cancellation));
    }

    [Fact]
    public async Task A_file_above_the_limit_is_refused_with_it() =>
        Assert.Equal(new BlobAppend.TooLarge(1 << 20), await Blobs.AppendAsync(TenantId.Default, Hash, (1 << 20) + 1, 0, Stream(Content), Cancellation));

    [Fact]
    public async Task A_file_that_the_server_made_is_taken_over_and_found_by_package_and_key()
    {
        var made = _folder.File("optimised.ort");
        await File.WriteAllTextAsync(made, Content, Cancellation);

        var file = await Blobs.AdoptAsync(TenantId.Default, made, "model.ort", Cancellation);
        await _storage!.Derived.SaveAsync(TenantId.Default, Samples.HashOf("model"), "ort-1.31", file, Cancellation);

        Assert.Equal(new PackageFile("model.ort", Hash, Content.Length), file);
        Assert.False(File.Exists(made));
        Assert.Equal(Content, await File.ReadAllTextAsync(Blobs.Materialise(Hash)!, Cancellation));
        Assert.Equal(file, await _storage.Derived.FindAsync(TenantId.Default, Samples.HashOf("model"), "ort-1.31", Cancellation));
        Assert.Null(await _storage.Derived.FindAsync(TenantId.Default, Samples.HashOf("model"), "ort-1.32", Cancellation));
        Assert.Null(await _storage.Derived.FindAsync(Other, Samples.HashOf("model"), "ort-1.31", Cancellation));
    }

    [Fact]
    public async Task A_file_that_is_damaged_on_the_disk_is_replaced_by_the_same_made_anew()
    {
        var file = await MakeAsync();
        var there = Blobs.Materialise(Hash)!;
        File.SetUnixFileMode(there, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await File.WriteAllTextAsync(there, new string('?', Content.Length), Cancellation);

        Assert.Equal(file, await MakeAsync());

        Assert.Equal(Content, await File.ReadAllTextAsync(Blobs.Materialise(Hash)!, Cancellation));

        async Task<PackageFile> MakeAsync()
        {
            var made = _folder.File("optimised.ort");
            await File.WriteAllTextAsync(made, Content, Cancellation);
            return await Blobs.AdoptAsync(TenantId.Default, made, "model.ort", Cancellation);
        }
    }

    private static MemoryStream Stream(string text) => new(Encoding.UTF8.GetBytes(text));

    private Task<BlobAppend> SendAsync(TenantId tenant, string content) =>
        Blobs.AppendAsync(tenant, Samples.HashOf(content), Encoding.UTF8.GetByteCount(content), 0, Stream(content), Cancellation);
}
