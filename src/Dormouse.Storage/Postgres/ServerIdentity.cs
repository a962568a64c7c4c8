using System.Globalization;
using Dormouse.Core;
using Dormouse.Storage.Posix;

namespace Dormouse.Storage.Postgres;

/// <summary>The identity of a data folder whose database is elsewhere, in the folder's file <c>server-id</c>: its journal belongs to it, and receipts are numbered by it.</summary>
internal static class ServerIdentity
{
    public const string FileName = "server-id";

    /// <exception cref="DataFolderException">The folder has a database of its own, or the file holds no id.</exception>
    public static Guid Find(DataFolder folder, IIdSource ids)
    {
        if (Read(folder.FolderPath) is { } known)
        {
            return known;
        }

        if (File.Exists(folder.DatabasePath))
        {
            throw new DataFolderException(
                $"The data folder '{folder.FolderPath}' holds a database of its own (dormouse.db), which PostgreSQL would leave out of sight. Copy it with 'dormouse storage migrate', or use another folder with --data.");
        }

        var drawn = ids.NewId();
        Write(folder, drawn);
        return drawn;
    }

    /// <summary>Null when the folder has none.</summary>
    /// <exception cref="DataFolderException">The file holds no id.</exception>
    public static Guid? Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
        {
            return null;
        }

        return Guid.TryParse(File.ReadAllText(path).Trim(), CultureInfo.InvariantCulture, out var id)
            ? id
            : throw new DataFolderException($"'{path}' holds no id. Restore it from a backup, or delete it when the folder's journal is not needed any more.");
    }

    public static void Write(DataFolder folder, Guid id)
    {
        var path = Path.Combine(folder.FolderPath, FileName);
        var written = path + ".new";
        File.WriteAllText(written, id.ToString("D") + "\n");
        using (var file = File.OpenHandle(written, FileMode.Open, FileAccess.Read))
        {
            RandomAccess.FlushToDisk(file);
        }

        File.Move(written, path, overwrite: true);
        Libc.FlushFolder(folder.FolderPath);
    }
}
