using System.Diagnostics;
using System.Text;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests;

/// <summary>A disk of 2 MB that is full: a file system in memory, so these need the right to mount.</summary>
public sealed class FullDiskTests : IAsyncLifetime
{
    private const int DiskBytes = 2 << 20;

    private readonly TestFolder _folder = new();
    private bool _isMounted;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Filler => Path.Combine(_folder.Data, "filler");

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(_folder.Data);
        _isMounted = await RunAsync("mount", "-t", "tmpfs", "-o", $"size={DiskBytes}", "dormouse-test", _folder.Data);
        Assert.SkipUnless(_isMounted, "A small file system could not be mounted (this needs root): the full-disk tests were not run.");
        _folder.Options = _folder.Options with { JournalBytes = 64 << 10 };
    }

    public async ValueTask DisposeAsync()
    {
        if (_isMounted)
        {
            Assert.True(await RunAsync("umount", _folder.Data));
        }

        _folder.Dispose();
    }

    [Fact]
    public async Task An_upload_keeps_what_fitted_and_goes_on_when_there_is_room()
    {
        await using var storage = await _folder.OpenAsync();
        var content = new string('x', 1_000_000);
        var hash = Samples.HashOf(content);
        Fill(leaveBytes: 300_000);

        var outcome = await storage.Blobs.AppendAsync(TenantId.Default, hash, content.Length, 0, Stream(content), Cancellation);

        var full = Assert.IsType<BlobAppend.NoSpace>(outcome);
        Assert.InRange(full.Offset, 1, content.Length - 1);
        Assert.Equal(new BlobStatus(false, full.Offset), await storage.Blobs.StatusAsync(TenantId.Default, hash, Cancellation));

        File.Delete(Filler);
        Assert.Equal(
            new BlobAppend.Complete(),
            await storage.Blobs.AppendAsync(TenantId.Default, hash, content.Length, full.Offset, Stream(content[(int)full.Offset..]), Cancellation));
        Assert.Equal(content, await File.ReadAllTextAsync(storage.Blobs.Materialise(hash)!, Cancellation));
    }

    [Fact]
    public async Task The_ledger_says_that_the_disk_is_full_and_the_journal_keeps_the_receipts_until_it_is_not()
    {
        await using var storage = await _folder.OpenAsync();
        Fill(leaveBytes: 50_000);
        var (full, stored) = await AppendUntilFullAsync(storage);
        Assert.IsType<StorageFullException>(full);

        var opening = Samples.Opening(1_000_000);
        var receipt = Samples.Receipt(storage.ServerId, storage.Journal.TryOpen(opening), opening);
        var ballast = Enumerable.Range(1, 100).Select(i => Samples.Opening(1_000_000 + i)).ToList();
        storage.Journal.Close(receipt);
        ballast.ForEach(o => storage.Journal.Close(Samples.Receipt(storage.ServerId, storage.Journal.TryOpen(o), o)));
        var flushed = storage.Journal.FlushAsync(Cancellation);
        while (_folder.Errors.IsEmpty)
        {
            Cancellation.ThrowIfCancellationRequested();
            await Task.Yield();
        }

        Assert.Equal(receipt, storage.Journal.Find(opening.Invocation)!.Receipt);
        Assert.IsType<StorageFullException>(_folder.Errors.First());
        File.Delete(Filler);
        while (!flushed.IsCompleted)
        {
            Cancellation.ThrowIfCancellationRequested();
            _folder.Time.Advance(TimeSpan.FromSeconds(5));
            await Task.Yield();
        }

        await flushed;
        var totals = await storage.Ledger.TotalsAsync(TenantId.Default, null, Samples.Noon, Samples.Noon.AddYears(1), Cancellation);
        Assert.Equal(stored + 101, totals.Sum(t => t.Invocations));
        Assert.Empty(await storage.Ledger.CheckAsync(null, Cancellation));
    }

    [Fact]
    public async Task A_disk_without_room_for_the_journal_is_told_at_the_start()
    {
        _folder.Options = _folder.Options with { JournalBytes = 4 << 20 };

        var full = await Assert.ThrowsAsync<StorageFullException>(_folder.OpenAsync);

        Assert.Contains("4194304 bytes", full.Message, StringComparison.Ordinal);
        _folder.Options = _folder.Options with { JournalBytes = 64 << 10 };
        await using var opened = await _folder.OpenAsync();
        Assert.Equal(1, opened.Journal.TryOpen(Samples.Opening(1)));
    }

    /// <summary>Receipts of another server, so that their sequences are free.</summary>
    private static async Task<(Exception Full, int Stored)> AppendUntilFullAsync(StorageSet storage)
    {
        const int BatchSize = 50;
        for (var batch = 0; batch < 1_000; batch++)
        {
            var first = batch * BatchSize;
            try
            {
                await storage.Ledger.AppendAsync(
                    [.. Enumerable.Range(first, BatchSize).Select(i => Samples.Receipt(CountingIds.Id(99), i, Samples.Opening(i)))], Cancellation);
            }
            catch (IOException e)
            {
                return (e, first);
            }
        }

        throw new InvalidOperationException("The disk never became full.");
    }

    private static MemoryStream Stream(string text) => new(Encoding.UTF8.GetBytes(text));

    private static async Task<bool> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        await process.StandardError.ReadToEndAsync(Cancellation);
        await process.WaitForExitAsync(Cancellation);
        return process.ExitCode == 0;
    }

    private void Fill(long leaveBytes)
    {
        using var file = File.Create(Filler);
        file.Write(new byte[new DriveInfo(_folder.Data).AvailableFreeSpace - leaveBytes]);
    }
}
