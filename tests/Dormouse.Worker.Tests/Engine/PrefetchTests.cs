using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Dormouse.Worker.Control;
using Dormouse.Worker.Engine;

namespace Dormouse.Worker.Tests.Engine;

public sealed partial class PrefetchTests : IDisposable
{
    /// <summary>More than a device reads ahead of one request.</summary>
    private const int Bytes = 48 << 20;

    private const int PageBytes = 4096;
    private const int DontNeed = 4;

    private readonly string _path = Path.Combine(AppContext.BaseDirectory, Path.GetRandomFileName());

    public void Dispose() => File.Delete(_path);

    [Fact(Timeout = 60_000)]
    public async Task A_file_is_read_ahead_to_its_end()
    {
        using (var written = File.Create(_path))
        {
            written.Write(RandomNumberGenerator.GetBytes(Bytes));
            written.Flush(flushToDisk: true);
        }

        using var file = File.OpenHandle(_path);
        var descriptor = (int)file.DangerousGetHandle();
        _ = Native.AdviseFile(descriptor, 0, 0, DontNeed);
        if (Resident(descriptor) > Bytes / 2)
        {
            Assert.Skip("The file system of the tests does not let go of pages.");
        }

        await Prefetch.ReadAhead(descriptor);

        // What was asked for comes by itself; nobody says when.
        using var looks = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (Resident(descriptor) < Bytes)
        {
            await looks.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }
    }

    private static unsafe long Resident(int descriptor)
    {
        const int Read = 1, Shared = 1;
        var mapped = Native.Map(0, Bytes, Read, Shared, descriptor, 0);
        Assert.NotEqual(-1, mapped);
        var pages = new byte[Bytes / PageBytes];
        Assert.Equal(0, InMemory(mapped, Bytes, pages));
        _ = Native.Unmap(mapped, Bytes);
        return pages.Sum(page => (long)(page & 1)) * PageBytes;
    }

    [LibraryImport("libc", EntryPoint = "mincore", SetLastError = true)]
    private static partial int InMemory(nint address, nuint length, [Out] byte[] pages);
}
