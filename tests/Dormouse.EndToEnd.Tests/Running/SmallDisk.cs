using System.Diagnostics;

namespace Dormouse.EndToEnd.Tests.Running;

/// <summary>A disk that is soon full: a file system in memory, so this needs the right to mount.</summary>
internal sealed class SmallDisk : IAsyncDisposable
{
    private SmallDisk(string folder) => Folder = folder;

    public string Folder { get; }

    public long FreeBytes => new DriveInfo(Folder).AvailableFreeSpace;

    /// <summary>Mounts it, or skips the test.</summary>
    public static async Task<SmallDisk> MountAsync(int mib)
    {
        var folder = Directory.CreateTempSubdirectory("dormouse-test-").FullName;
        var isMounted = await RunAsync("mount", "-t", "tmpfs", "-o", $"size={mib}m", "dormouse-test", folder);
        if (!isMounted)
        {
            Directory.Delete(folder);
        }

        Assert.SkipUnless(isMounted, "A small file system could not be mounted (this needs root): nothing was tried on a full disk.");
        return new SmallDisk(folder);
    }

    public async Task GrowAsync(int mib) => Assert.True(await RunAsync("mount", "-o", $"remount,size={mib}m", Folder));

    public async ValueTask DisposeAsync()
    {
        // When the server was killed its launcher ends a little later.
        await Waiting.UntilAsync(() => RunAsync("umount", Folder), "the small file system is unmounted", CancellationToken.None);
        Directory.Delete(Folder);
    }

    private static async Task<bool> RunAsync(string program, params string[] arguments)
    {
        var cancelled = TestContext.Current.CancellationToken;
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        await process.StandardError.ReadToEndAsync(cancelled);
        await process.WaitForExitAsync(cancelled);
        return process.ExitCode == 0;
    }
}
