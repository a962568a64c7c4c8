using System.Diagnostics;
using Dormouse.Drivers.Prefetch;

namespace Dormouse.Server.Tests.Prefetch;

/// <summary>Real files on a disk, of which the kernel can be asked to forget the content.</summary>
internal sealed class ColdFiles : IDisposable
{
    /// <summary>Not in /tmp, which may be memory that nothing is dropped from.</summary>
    private readonly string _root = Directory.CreateDirectory(Path.Combine(AppContext.BaseDirectory, "cold-" + Guid.NewGuid().ToString("N")[..12])).FullName;

    /// <summary>The package's folder.</summary>
    public string Package => Directory.CreateDirectory(Path.Combine(_root, "packages", new string('a', 64))).FullName;

    /// <summary>Where environments are.</summary>
    public string Environments => Path.Combine(_root, "environments");

    /// <summary>A file in the package, on the disk.</summary>
    public string Write(string name, int bytes) => WriteAt(Path.Combine(Package, name), bytes);

    public static string WriteAt(string path, int bytes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var file = File.OpenHandle(path, FileMode.Create, FileAccess.Write);
        RandomAccess.Write(file, new byte[bytes], 0);
        RandomAccess.FlushToDisk(file);
        return path;
    }

    /// <summary>Nothing of it is in memory any more; the test is skipped where the file system keeps it.</summary>
    public static async Task DropAsync(string path)
    {
        using var dd = Process.Start(new ProcessStartInfo("dd", [$"if={path}", "iflag=nocache", "count=0", "status=none"]));
        Assert.NotNull(dd);
        await dd.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, dd.ExitCode);
        if (Missing(path).Any(isMissing => !isMissing))
        {
            Assert.Skip("This file system does not drop a file from memory.");
        }
    }

    /// <summary>Of each chunk, whether all of it is missing from memory. A file that cannot be opened has none.</summary>
    public static bool[] Missing(string path)
    {
        using var file = CachedFile.TryOpen(path);
        return file is null ? [] : [.. Enumerable.Range(0, file.ChunkCount).Select(c => file.MissingBytes(c) == file.BytesOf(c))];
    }

    /// <summary>Numbers of the chunks that are in memory whole.</summary>
    public static int[] Present(string path)
    {
        using var file = CachedFile.TryOpen(path);
        return file is null ? [] : [.. Enumerable.Range(0, file.ChunkCount).Where(c => file.MissingBytes(c) == 0)];
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);
}
