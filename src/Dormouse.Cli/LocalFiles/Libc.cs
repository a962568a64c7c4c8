using System.Runtime.InteropServices;

namespace Dormouse.Cli.LocalFiles;

/// <summary>The one call that the base library lacks: it does not tell a file from a pipe without opening it, and opening a pipe may wait for ever.</summary>
internal static partial class Libc
{
    private const int CurrentFolder = -100;
    private const uint TypeMask = 1;

    /// <summary>Size of <c>struct statx</c> and place of <c>stx_mode</c> in it: the same on every Linux, unlike <c>struct stat</c>.</summary>
    private const int StatxLength = 256;
    private const int ModeOffset = 28;

    /// <summary>The type bits of <c>st_mode</c>; null when the kernel does not tell.</summary>
    public static int? FileType(string path)
    {
        Span<byte> found = stackalloc byte[StatxLength];
        return Statx(CurrentFolder, path, 0, TypeMask, found) == 0 ? MemoryMarshal.Read<ushort>(found[ModeOffset..]) & 0xF000 : null;
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, Span<byte> found);
}
