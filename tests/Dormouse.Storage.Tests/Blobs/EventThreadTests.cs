using System.Security.Cryptography;
using System.Threading.Tasks.Sources;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Storage.Blobs;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Blobs;

/// <summary>The threads that wait for sockets are not blocked by files (decision 0016).</summary>
public sealed class EventThreadTests : IDisposable
{
    private readonly TestFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task An_upload_is_written_on_other_threads_than_those_that_bring_its_bytes()
    {
        await using var storage = await _folder.OpenAsync();
        var content = new byte[600_000];
        using var caller = new EventStream(content);

        // Off the test's own scheduler, which would change threads, too.
        var outcome = await Task.Run(
            () => storage.Blobs.AppendAsync(TenantId.Default, new BlobHash(Convert.ToHexStringLower(SHA256.HashData(content))), content.Length, 0, caller, Cancellation), Cancellation);

        Assert.Equal(new BlobAppend.Complete(), outcome);
        Assert.True(caller.Reads > 2);
        // Whoever asks for the next bytes has just written those before.
        Assert.False(caller.WasAskedByItsOwnThread);
    }

    [Fact]
    public async Task A_package_is_laid_out_on_another_thread_than_the_one_that_asks()
    {
        using var data = DataFolder.Open(_folder.Data);
        var folders = new BlobFolders(data);
        folders.Make();
        var time = new ThreadTime();
        var packages = new PackageFolders(folders, "Deploy again.", time);
        Task<string>? laidOut = null;

        var asking = new Thread(() => laidOut = packages.MaterialiseAsync(new Package([]), Cancellation));
        asking.Start();
        asking.Join();
        await laidOut!;

        Assert.NotSame(asking, time.LastAsker);
    }

    /// <summary>Gives its bytes as a socket does: each read ends on the thread that waits for it, which goes on with whatever waited for the read.</summary>
    private sealed class EventStream(byte[] bytes) : MemoryStream(bytes), IValueTaskSource<int>
    {
        private Thread? _own;
        private Memory<byte> _asked;
        private int? _read;

        public int Reads { get; private set; }

        public bool WasAskedByItsOwnThread { get; private set; }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Reads++;
            WasAskedByItsOwnThread |= Thread.CurrentThread == _own;
            (_asked, _read) = (buffer, null);
            return new ValueTask<int>(this, 0);
        }

        public int GetResult(short token) => _read ?? throw new InvalidOperationException("Nothing was read yet.");

        public ValueTaskSourceStatus GetStatus(short token) => _read is null ? ValueTaskSourceStatus.Pending : ValueTaskSourceStatus.Succeeded;

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
        {
            _own = new Thread(() =>
            {
                _read = Read(_asked.Span);
                continuation(state);
            });
            _own.Start();
        }
    }

    /// <summary>Remembers which thread asked for the time: laying out ends with that.</summary>
    private sealed class ThreadTime : TimeProvider
    {
        public Thread? LastAsker { get; private set; }

        public override DateTimeOffset GetUtcNow()
        {
            LastAsker = Thread.CurrentThread;
            return base.GetUtcNow();
        }
    }
}
