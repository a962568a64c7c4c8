using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Dormouse.Drivers;

/// <summary>
/// A run folder that this process owns: by a lock on a file in it, which the kernel drops with the process, and by the process's number and start time in
/// that file. A folder whose owner is dead by both is removed by whoever starts next, also when its data folder is never used again.
/// </summary>
public sealed partial class OwnedRunFolder : IDisposable
{
    private const string OwnerFile = "owner";

    /// <summary>Between making a folder and owning it a sweep may take it for left behind; not so many times.</summary>
    private const int TriesMax = 100;

    private readonly string _path;
    private readonly FileStream _owner;

    private OwnedRunFolder(string path, FileStream owner)
    {
        _path = path;
        _owner = owner;
    }

    /// <summary>Owns a folder that <see cref="RunFolder"/> has made. Null when another process has it, or it cannot be written: then it is never swept.</summary>
    public static OwnedRunFolder? TryOwn(string path)
    {
        for (var tries = 0; tries < TriesMax; tries++)
        {
            RunFolder.Make(path);
            if (TryLock(path, FileMode.OpenOrCreate) is { } owner)
            {
                if (File.Exists(Path.Combine(path, OwnerFile)))
                {
                    owner.SetLength(0);
                    owner.Write(Encoding.ASCII.GetBytes($"{Environment.ProcessId} {StartOf(Environment.ProcessId)}"));
                    owner.Flush();
                    return new OwnedRunFolder(path, owner);
                }

                owner.Dispose();
            }

            Thread.Yield();
        }

        return null;
    }

    /// <summary>Removes run folders of this user beside <paramref name="path"/> whose owner is dead. Those that say nothing of an owner are left.</summary>
    /// <returns>How many were removed.</returns>
    public static int Sweep(string path) => Directory.EnumerateDirectories(Path.GetDirectoryName(path) ?? "/", "dormouse-*")
        .Count(folder => folder != path && Name().IsMatch(Path.GetFileName(folder)) && RunFolder.IsOfThisUser(folder) && TryRemove(folder));

    /// <summary>Gives it up, and removes it when the driver has left nothing in it.</summary>
    public void Dispose()
    {
        try
        {
            if (!_owner.SafeFileHandle.IsClosed && Directory.EnumerateFileSystemEntries(_path).All(entry => Path.GetFileName(entry) == OwnerFile))
                Directory.Delete(_path, recursive: true);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // Whoever starts next sweeps it.
        }

        _owner.Dispose();
    }

    private static bool TryRemove(string folder)
    {
        using var owner = TryLock(folder, FileMode.Open);
        if (owner is null || !IsDead(owner))
            return false;
        try
        {
            // Renamed first: a server that starts just now makes a new one, and loses nothing in this.
            var aside = $"{folder}.gone-{Environment.ProcessId}";
            Directory.Move(folder, aside);
            Directory.Delete(aside, recursive: true);
            return true;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>The lock alone would be too little: it can be turned off for the whole runtime, and some file systems have none.</summary>
    private static bool IsDead(FileStream owner)
    {
        var text = new byte[64];
        var words = Encoding.ASCII.GetString(text, 0, owner.Read(text)).Split(' ');
        return words is [var process, var start]
            && int.TryParse(process, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && StartOf(number) != start;
    }

    /// <summary>When a process began, in the kernel's ticks: with its number it is never another's. Empty when there is none.</summary>
    private static string StartOf(int process)
    {
        try
        {
            // 12 (name that may hold spaces and parentheses) S parent …: the start is the 22nd field.
            var text = File.ReadAllText($"/proc/{process}/stat");
            return text[(text.LastIndexOf(')') + 2)..].Split(' ')[19];
        }
        catch (IOException)
        {
            return "";
        }
    }

    /// <summary>Null when somebody has it, or it is not there.</summary>
    private static FileStream? TryLock(string folder, FileMode mode)
    {
        try
        {
            return new FileStream(Path.Combine(folder, OwnerFile), mode, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    [GeneratedRegex(@"^dormouse-([0-9]+-)?[0-9a-f]{12}(\.gone-[0-9]+)?$")]
    private static partial Regex Name();
}
