using System.Runtime.InteropServices;

namespace Dormouse.Worker.Control;

/// <summary>
/// The C library's heap, on which the engine's buffers lie. Its defaults map and unmap every large buffer anew until it has learnt better, grow the
/// heap in steps of 128 KB, and open a heap for each thread; a worker's first run is the one that a caller waits for, and it knows better.
/// Small free pieces must join their neighbours at once (no quick lists; the per-thread ones are switched off by <c>GLIBC_TUNABLES</c>, which only
/// the environment can do): the C library cuts such a piece off every aligned buffer, and a buffer's place is too small for the next one of its size until
/// the piece is back, so the heap would grow to many times of what runs need.
/// </summary>
internal static unsafe partial class Heap
{
    /// <summary>Private memory that a generic worker holds ready for the buffers of its first run, bytes.</summary>
    internal const int ReserveBytes = 24 * 1024 * 1024;

    private const int QuickMax = 1;
    private const int TrimThreshold = -1;
    private const int TopPad = -2;
    private const int MapThreshold = -3;
    private const int GrowBytes = 2 * 1024 * 1024;
    private const int MapFromBytes = 32 * 1024 * 1024; // The most that the library takes.
    private const int KeepBytes = 128 * 1024 * 1024;   // Between runs; when idle all but the reserve is given back.
    private const int ReserveStepBytes = 4 * 1024 * 1024;
    private const int PageBytes = 4096;

    private static int _reservedBytes;

    /// <summary>Sets the worker's rules. Call it before the engine loads.</summary>
    internal static void Configure()
    {
        _ = SetOption(QuickMax, 0);
        _ = SetOption(MapThreshold, MapFromBytes);
        _ = SetOption(TrimThreshold, KeepBytes);
        _ = SetOption(TopPad, GrowBytes);
    }

    /// <summary>
    /// Takes the reserve from the system and touches every page of it, in large pages where the system has them: what a first run would otherwise do
    /// page by page. Stops between two steps when <paramref name="isEnough"/> says so.
    /// </summary>
    internal static void Reserve(Func<bool> isEnough)
    {
        var steps = new List<nint>();
        while (_reservedBytes < ReserveBytes && !isEnough())
        {
            var step = (nint)NativeMemory.Alloc(ReserveStepBytes);
            steps.Add(step);
            var first = (step + PageBytes - 1) / PageBytes * PageBytes;
            var length = (nuint)(step + ReserveStepBytes - first) / PageBytes * PageBytes;
            _ = Native.Advise(first, length, Native.AdviceHugePages);
            for (nuint offset = 0; offset < length; offset += PageBytes)
            {
                Volatile.Write(ref ((byte*)first)[offset], 0);
            }

            _reservedBytes += ReserveStepBytes;
        }

        // The last first: each joins the free end of the heap.
        for (var i = steps.Count - 1; i >= 0; i--)
        {
            NativeMemory.Free((void*)steps[i]);
        }
    }

    /// <summary>Gives every free page but the reserve's back to the system.</summary>
    internal static void Trim() => _ = TrimTo((nuint)_reservedBytes);

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
