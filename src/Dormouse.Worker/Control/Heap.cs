using System.Runtime.InteropServices;

namespace Dormouse.Worker.Control;

/// <summary>
/// The C library's heap, on which the engine's buffers lie. Its defaults map and unmap every large buffer anew until it has learnt better, grow the
/// heap in steps of 128 KB, and open a heap for each thread; a worker's first run is the one that a caller waits for, and it knows better.
/// </summary>
internal static partial class Heap
{
    private const int TrimThreshold = -1;
    private const int TopPad = -2;
    private const int MapThreshold = -3;
    private const int HeapsMax = -8;
    private const int GrowBytes = 2 * 1024 * 1024;
    private const int MapFromBytes = 32 * 1024 * 1024; // The most that the library takes.
    private const int KeepBytes = 128 * 1024 * 1024;   // Between runs; when idle everything is given back.

    /// <summary>Sets the worker's rules. Call it before the engine loads.</summary>
    internal static void Configure()
    {
        _ = SetOption(MapThreshold, MapFromBytes);
        _ = SetOption(TrimThreshold, KeepBytes);
        _ = SetOption(TopPad, GrowBytes);
        LimitHeaps(1);
    }

    /// <summary>Each heap keeps the buffers of the runs that happened on it: as many as run at once are enough.</summary>
    internal static void LimitHeaps(int count) => _ = SetOption(HeapsMax, count);

    /// <summary>Gives every free page back to the system.</summary>
    internal static void Trim() => _ = TrimTo(0);

    /// <summary>
    /// The collector took its limit from the cgroup when the program started, as nobody's worker; the instance has another one since. With too high a limit the
    /// kernel ends the instance where a request would have been refused.
    /// </summary>
    internal static void FollowMemoryLimit()
    {
        try
        {
            GC.RefreshMemoryLimit();
        }
        catch (InvalidOperationException)
        {
            // More is in use already than the new limit leaves to the collector: it goes on with the old one.
        }
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int SetOption(int option, int value);

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int TrimTo(nuint keepBytes);
}
