using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Dormouse.Drivers.Prefetch;

/// <summary>
/// Hears which files below some folders are opened, in order, by whatever process in whatever sandbox: the kernel keeps them in a queue (inotify) until they are asked for, so who opens a file does not wait. Any user may listen where it may read.
/// </summary>
public sealed unsafe partial class FileOpens : IDisposable
{
    /// <summary>Folders that are listened to at most, so that other programs of the same user keep some.</summary>
    public const int FoldersMax = 20_000;

    /// <summary>Files that are told at most.</summary>
    public const int FilesMax = 20_000;

    private const int NonBlocking = 0x800;
    private const int CloseOnExec = 0x80000;
    private const uint Opened = 0x20;
    private const uint IsFolder = 0x40000000;
    private const uint Overflowed = 0x4000;
    private const uint OnlyFolders = 0x01000000;
    private const uint NoFollow = 0x02000000;
    private const int HeaderBytes = 16;
    private const int BufferBytes = 64 << 10;

    private readonly SafeFileHandle _queue;
    private readonly Dictionary<int, string> _folders = [];

    private FileOpens(SafeFileHandle queue) => _queue = queue;

    /// <summary>Begins to listen to folders and all below them; links to folders are not followed.</summary>
    /// <exception cref="IOException">The kernel lets this user listen to no more, or there are too many folders.</exception>
    public static FileOpens Listen(IEnumerable<string> folders)
    {
        ArgumentNullException.ThrowIfNull(folders);
        var opens = new FileOpens(StartQueue(NonBlocking | CloseOnExec));
        try
        {
            if (opens._queue.IsInvalid)
                throw new IOException($"The kernel lets nobody listen to files (inotify): {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}. fs.inotify.max_user_instances may be too low.");
            var below = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = true };
            foreach (var folder in folders.Where(Directory.Exists))
            {
                opens.Add(folder);
                foreach (var inner in Directory.EnumerateDirectories(folder, "*", below))
                    opens.Add(inner);
            }

            return opens;
        }
        catch
        {
            opens.Dispose();
            throw;
        }
    }

    /// <summary>Files opened so far, each once, in the order in which they were first opened.</summary>
    /// <param name="isWhole">False: more were opened than the kernel keeps, the later ones are missing.</param>
    public IReadOnlyList<string> Read(out bool isWhole)
    {
        isWhole = true;
        var files = new List<string>();
        var known = new HashSet<string>(StringComparer.Ordinal);
        var buffer = new byte[BufferBytes];
        while (true)
        {
            nint length;
            fixed (byte* first = buffer)
                length = ReadQueue(_queue, first, BufferBytes);
            if (length <= 0)
                return files;
            for (var at = 0; at + HeaderBytes <= length;)
            {
                var watch = BinaryPrimitives.ReadInt32LittleEndian(buffer.AsSpan(at));
                var mask = BinaryPrimitives.ReadUInt32LittleEndian(buffer.AsSpan(at + 4));
                var nameBytes = (int)BinaryPrimitives.ReadUInt32LittleEndian(buffer.AsSpan(at + 12));
                var name = buffer.AsSpan(at + HeaderBytes, nameBytes);
                at += HeaderBytes + nameBytes;
                if ((mask & Overflowed) != 0)
                    isWhole = false;
                if ((mask & Opened) == 0 || (mask & IsFolder) != 0 || nameBytes == 0 || !_folders.TryGetValue(watch, out var folder))
                    continue;
                var file = Path.Combine(folder, Encoding.UTF8.GetString(name[..(name.IndexOf((byte)0) is >= 0 and var end ? end : nameBytes)]));
                if (files.Count == FilesMax)
                    isWhole = false;
                else if (known.Add(file))
                    files.Add(file);
            }
        }
    }

    public void Dispose() => _queue.Dispose();

    private void Add(string folder)
    {
        if (_folders.Count == FoldersMax)
            throw new IOException($"There are more than {FoldersMax} folders to listen to.");
        var watch = AddWatch(_queue, folder, Opened | OnlyFolders | NoFollow);
        const int NoSuchFile = 2, NotAllowed = 13, NoFolder = 20;
        if (watch >= 0)
            _folders[watch] = folder;
        else if (Marshal.GetLastPInvokeError() is var error && error is not (NoSuchFile or NotAllowed or NoFolder))
            throw new IOException($"Listening to the files of a folder failed after {_folders.Count}: {Marshal.GetPInvokeErrorMessage(error)}. fs.inotify.max_user_watches may be too low.");
    }

    [LibraryImport("libc", EntryPoint = "inotify_init1", SetLastError = true)]
    private static partial SafeFileHandle StartQueue(int flags);

    [LibraryImport("libc", EntryPoint = "inotify_add_watch", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int AddWatch(SafeFileHandle queue, string path, uint mask);

    [LibraryImport("libc", EntryPoint = "read")]
    private static partial nint ReadQueue(SafeFileHandle queue, byte* buffer, nint length);
}
