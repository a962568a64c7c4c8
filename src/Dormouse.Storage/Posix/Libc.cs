using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Dormouse.Storage.Posix;

/// <summary>The few calls that the base library lacks, and what their error numbers mean.</summary>
internal static partial class Libc
{
    private const int OtherDevice = 18;
    private const int FileTooLarge = 27;
    private const int NoSpace = 28;
    private const int QuotaExceeded = 122;
    private const int ReadOnlyFlag = 0;
    private const int DirectoryFlag = 0x10000;
    private const int CloseOnExecFlag = 0x80000;

    /// <summary>True when <paramref name="error"/> says that a disk, quota or file-size limit is reached.</summary>
    public static bool IsNoSpace(IOException error) => error is StorageFullException || IsNoSpace(error.HResult);

    /// <summary>Gives the file blocks of its own for all of its first <paramref name="length"/> bytes, so that writing through a mapping cannot fail later.</summary>
    /// <exception cref="StorageFullException">There is no room.</exception>
    public static void Allocate(SafeFileHandle file, long length)
    {
        var error = PosixFallocate(file, 0, length);
        if (error != 0)
        {
            throw IsNoSpace(error)
                ? new StorageFullException($"The disk has no room for {length} bytes: {Marshal.GetPInvokeErrorMessage(error)}.")
                : new IOException($"Reserving {length} bytes failed: {Marshal.GetPInvokeErrorMessage(error)}.", error);
        }
    }

    /// <summary>Makes the names in a folder durable: a renamed file is safe from a power cut only after this.</summary>
    public static void FlushFolder(string path)
    {
        using var folder = OpenFile(path, ReadOnlyFlag | DirectoryFlag | CloseOnExecFlag);
        if (folder.IsInvalid || Fsync(folder) != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            throw new IOException($"Flushing the folder '{path}' failed: {Marshal.GetPInvokeErrorMessage(error)}.", error);
        }
    }

    /// <summary>Gives a file a second name. False when this file system cannot (other device, too many names, not allowed).</summary>
    public static bool TryLink(string existing, string added) => Link(existing, added) == 0;

    /// <summary>Renames over what is there. False when the two names are on different devices.</summary>
    public static bool TryRename(string from, string to)
    {
        if (Rename(from, to) == 0)
        {
            return true;
        }

        var error = Marshal.GetLastPInvokeError();
        return error == OtherDevice ? false : throw new IOException($"Renaming '{from}' to '{to}' failed: {Marshal.GetPInvokeErrorMessage(error)}.", error);
    }

    private static bool IsNoSpace(int error) => error is NoSpace or QuotaExceeded or FileTooLarge;

    [LibraryImport("libc", EntryPoint = "posix_fallocate")]
    private static partial int PosixFallocate(SafeFileHandle file, long offset, long length);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle OpenFile(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "rename", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Rename(string from, string to);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string existing, string added);
}
