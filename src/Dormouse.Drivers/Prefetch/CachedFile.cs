using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Dormouse.Drivers.Prefetch;

/// <summary>A file as the kernel's page cache sees it: how much of it is in memory, and a request to read more. Nothing of its content is looked at.</summary>
public sealed unsafe partial class CachedFile : IDisposable
{
    /// <summary>What is recorded and asked for at once.</summary>
    public const int ChunkBytes = 1 << 20;

    /// <summary>The kernel cuts a longer request short without a word: to what it reads ahead (128 KiB unless set otherwise), or to what the disk takes at once.</summary>
    private const int RequestBytes = 128 << 10;

    private const int ReadOnly = 0;
    private const int NonBlocking = 0x800;
    private const int CloseOnExec = 0x80000;

    // The one flag that differs between the processors that there are builds for.
    private static readonly int NoFollow = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x8000 : 0x20000;
    private const int FromEnd = 2;
    private const int NoAccess = 0;
    private const int Shared = 1;
    private const int WillNeedAdvice = 3;

    private readonly SafeFileHandle _handle;

    /// <summary>To others than the owner of a file and root the kernel says that all of it is in memory.</summary>
    private readonly bool _isTold;

    private CachedFile(SafeFileHandle handle, long length) => (_handle, Length, _isTold) = (handle, length, EffectiveUser() is var user && (user == 0 || Owner(handle) == user));

    public long Length { get; }

    /// <summary>Chunks of it, the last one may be short.</summary>
    public int ChunkCount => (int)((Length + ChunkBytes - 1) / ChunkBytes);

    /// <summary>Opens one that is there; null when it is not, or is a link, or no file with a length (a pipe is not waited for).</summary>
    public static CachedFile? TryOpen(string path)
    {
        var handle = Open(path, ReadOnly | NonBlocking | CloseOnExec | NoFollow);
        var length = handle.IsInvalid ? -1 : Seek(handle, 0, FromEnd);
        if (length is >= 0 and < int.MaxValue * (long)ChunkBytes)
            return new CachedFile(handle, length);
        handle.Dispose();
        return null;
    }

    /// <summary>Bytes of one chunk.</summary>
    public int BytesOf(int chunk) => (int)Math.Clamp(Length - ((long)chunk * ChunkBytes), 0, ChunkBytes);

    /// <summary>Bytes of a chunk that are not in memory; null = the kernel does not tell this user.</summary>
    public int? MissingBytes(int chunk)
    {
        var bytes = BytesOf(chunk);
        if (bytes == 0)
            return 0;
        var mapped = _isTold ? Map(0, (nuint)bytes, NoAccess, Shared, _handle, (long)chunk * ChunkBytes) : -1;
        if (mapped == -1)
            return null;
        try
        {
            var pageBytes = Environment.SystemPageSize;
            Span<byte> pages = stackalloc byte[(bytes + pageBytes - 1) / pageBytes];
            fixed (byte* first = pages)
            {
                if (InCore(mapped, (nuint)bytes, first) != 0)
                    return null;
            }

            var missing = 0;
            foreach (var page in pages)
                missing += (page & 1) == 0 ? pageBytes : 0;
            return Math.Min(missing, bytes);
        }
        finally
        {
            _ = Unmap(mapped, (nuint)bytes);
        }
    }

    /// <summary>Asks the kernel to read a chunk; returns before it has.</summary>
    public void WillNeed(int chunk)
    {
        var (start, bytes) = ((long)chunk * ChunkBytes, BytesOf(chunk));
        for (var at = 0; at < bytes; at += RequestBytes)
            _ = Advise(_handle, start + at, Math.Min(RequestBytes, bytes - at), WillNeedAdvice);
    }

    public void Dispose() => _handle.Dispose();

    private static uint? Owner(SafeFileHandle file)
    {
        const int OfTheDescriptor = 0x1000, UserOffset = 20;
        const uint User = 0x8;
        // struct statx is the same on every architecture.
        var status = stackalloc byte[256];
        return StatX(file, "", OfTheDescriptor, User, status) == 0 ? *(uint*)(status + UserOffset) : null;
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint EffectiveUser();

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(SafeFileHandle file, string path, int flags, uint mask, byte* status);

    [LibraryImport("libc", EntryPoint = "lseek")]
    private static partial long Seek(SafeFileHandle file, long offset, int from);

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(nint address, nuint length, int protection, int flags, SafeFileHandle file, long offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "mincore")]
    private static partial int InCore(nint address, nuint length, byte* pages);

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int Advise(SafeFileHandle file, long offset, long length, int advice);
}
