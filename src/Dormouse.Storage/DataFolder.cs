using System.Globalization;

namespace Dormouse.Storage;

/// <summary>
/// The folder that one server owns while it runs, and where things lie in it. Ownership is a lock on <c>lock</c> that the kernel drops with the
/// process, so a killed server never leaves a folder locked; <c>server.pid</c> only serves the message that a second server prints.
/// </summary>
public sealed class DataFolder : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly FileStream _lock;

    private DataFolder(string path, FileStream folderLock)
    {
        FolderPath = path;
        _lock = folderLock;
    }

    /// <summary>Full path of the folder.</summary>
    public string FolderPath { get; }

    public string DatabasePath => Path.Combine(FolderPath, "dormouse.db");

    public string JournalPath => Path.Combine(FolderPath, "journal");

    /// <summary>Complete files by hash: <c>blobs/ab/ab12…</c>.</summary>
    public string BlobsPath => Path.Combine(FolderPath, "blobs");

    /// <summary>Half-written uploads: <c>uploads/tenant/hash</c>.</summary>
    public string UploadsPath => Path.Combine(FolderPath, "uploads");

    /// <summary>Folders of hard links, one a package.</summary>
    public string PackagesPath => Path.Combine(FolderPath, "packages");

    private string PidPath => Path.Combine(FolderPath, "server.pid");

    /// <summary>Takes the folder for this process, making it when missing. A folder of our own or an empty one becomes readable by its owner only.</summary>
    /// <exception cref="DataFolderException">Another server uses it, or it cannot be made or written.</exception>
    public static DataFolder Open(string path)
    {
        var full = Path.GetFullPath(path);
        try
        {
            MakeOwn(full);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataFolderException($"The data folder '{full}' cannot be used: {e.Message}", e);
        }

        var folder = new DataFolder(full, Lock(full));
        folder.WritePid();
        return folder;
    }

    public void Dispose()
    {
        if (_lock.SafeFileHandle.IsClosed)
        {
            return;
        }

        File.Delete(PidPath);
        _lock.Dispose();
    }

    /// <summary>Makes a folder below the data folder, readable by its owner only.</summary>
    internal static void MakeFolder(string path) => Directory.CreateDirectory(path, OwnerOnly);

    private static void MakeOwn(string path)
    {
        if (!Directory.Exists(path))
        {
            Directory.CreateDirectory(path, OwnerOnly);
        }
        else if (File.Exists(Path.Combine(path, "dormouse.db")) || File.Exists(Path.Combine(path, "server-id")) || !Directory.EnumerateFileSystemEntries(path).Any())
        {
            // A folder with other things in it was not made for us; its permissions are its owner's choice.
            File.SetUnixFileMode(path, OwnerOnly);
        }
    }

    private static FileStream Lock(string folder)
    {
        var options = new FileStreamOptions
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            Share = FileShare.None,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        };
        try
        {
            return new FileStream(Path.Combine(folder, "lock"), options);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new DataFolderException($"The data folder '{folder}' cannot be written: {e.Message}", e);
        }
        catch (IOException e)
        {
            throw new DataFolderException(
                Owner(folder) is { } process
                    ? $"The data folder '{folder}' is used by another server (process {process}). Stop it, or choose another folder with --data."
                    : $"The data folder '{folder}' is used by another server, or cannot be locked: {e.Message}",
                e);
        }
    }

    private static int? Owner(string folder)
    {
        try
        {
            var text = File.ReadAllText(Path.Combine(folder, "server.pid"));
            return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var process) ? process : null;
        }
        catch (IOException)
        {
            // The owner is just starting or ending: the message does without its number.
            return null;
        }
    }

    private void WritePid()
    {
        try
        {
            File.WriteAllText(PidPath, Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        }
        catch (IOException e)
        {
            _lock.Dispose();
            throw new DataFolderException($"The data folder '{FolderPath}' cannot be written: {e.Message}", e);
        }
    }
}
