using System.Globalization;
using Dormouse.Worker.Control;
using Microsoft.Win32.SafeHandles;

namespace Dormouse.Worker.Engine;

/// <summary>
/// Hides page faults of a mapped model behind other work: the file is asked for from the disk while the session is made, and the engine's own
/// mapping is populated while the first request is on its way.
/// </summary>
internal static class Prefetch
{
    private const int PageBytes = 4096;

    /// <summary>The kernel reads no more of one request than the device reads ahead, which is so much by default.</summary>
    private const int RequestBytes = 128 << 10;

    /// <summary>Starts reading the file into the page cache; returns at once.</summary>
    /// <returns>Ends when all of it is asked for.</returns>
    internal static Task ReadAhead(int descriptor)
    {
        using var file = new SafeFileHandle(descriptor, ownsHandle: false);
        var length = RandomAccess.GetLength(file);
        Ask(descriptor, 0);
        return length <= RequestBytes ? Task.CompletedTask : Task.Run(() => AskForRest(descriptor, length));
    }

    /// <summary>Populates every mapping that this process has of the descriptor's file.</summary>
    internal static void PopulateMappings(int descriptor)
    {
        if (new FileInfo(SessionLoader.PathOf(descriptor)).ResolveLinkTarget(returnFinalTarget: false)?.FullName is not { } target)
        {
            return;
        }

        foreach (var line in File.ReadLines("/proc/self/maps"))
        {
            if (line.EndsWith(target, StringComparison.Ordinal) && Range(line) is var (start, length) && length > 0)
            {
                Populate(start, length);
            }
        }
    }

    private static void AskForRest(int descriptor, long length)
    {
        for (long offset = RequestBytes; offset < length; offset += RequestBytes)
        {
            Ask(descriptor, offset);
        }
    }

    private static void Ask(int descriptor, long offset) => _ = Native.AdviseFile(descriptor, offset, RequestBytes, Native.AdviceWillNeed);

    private static (nint Start, nuint Length) Range(string line)
    {
        var dash = line.IndexOf('-', StringComparison.Ordinal);
        var space = line.IndexOf(' ', StringComparison.Ordinal);
        return nuint.TryParse(line.AsSpan(0, dash), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var start)
            && nuint.TryParse(line.AsSpan(dash + 1, space - dash - 1), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var end)
                ? ((nint)start, end - start)
                : (0, 0);
    }

    private static unsafe void Populate(nint start, nuint length)
    {
        if (Native.Advise(start, length, Native.AdvicePopulateRead) == 0)
        {
            return;
        }

        // Kernels before 5.14 do not know the advice: read one byte of each page.
        var pages = (byte*)start;
        for (nuint offset = 0; offset < length; offset += PageBytes)
        {
            _ = Volatile.Read(ref pages[offset]);
        }
    }
}
