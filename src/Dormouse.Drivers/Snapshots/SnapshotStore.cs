using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Dormouse.Core.Endpoints;

namespace Dormouse.Drivers.Snapshots;

/// <summary>
/// Snapshots on disk: a folder a revision, which only the server's user reads. One counts when its file <c>kept</c> says that it was verified, and only as long as the machine is what it was then:
/// one of another boot, of other system packages, of another release of ours, is removed. Faults of the disk mean that there is none.
/// </summary>
internal sealed class SnapshotStore
{
    private const string KeptFile = "kept", RefusedFile = "refused";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly string _root;
    private readonly long _bytesMax;
    private readonly string _stamp;

    /// <param name="bytesMax">What all of them may take.</param>
    /// <param name="parts">Programs whose change makes all snapshots worthless: files, or folders of files.</param>
    public SnapshotStore(string root, long bytesMax, params IEnumerable<string> parts)
    {
        _root = root;
        _bytesMax = bytesMax;
        _stamp = StampOf(parts);
    }

    /// <summary>The verified snapshot of a revision; null = there is none.</summary>
    public KeptSnapshot? Find(RevisionId revision)
    {
        var folder = FolderOf(revision);
        if (Read(folder, KeptFile) is not [_, var process, var worker, var compared, var size, var checksum]
            || !int.TryParse(process, CultureInfo.InvariantCulture, out var number) || !long.TryParse(size, CultureInfo.InvariantCulture, out var bytes))
            return null;
        return new(folder, number, worker, compared, bytes, checksum);
    }

    /// <summary>Why a revision was found to have none, a sentence; null = it was not.</summary>
    public string? Refusal(RevisionId revision) => Read(FolderOf(revision), RefusedFile) is [_, var reason] ? reason : null;

    /// <summary>An empty folder for a snapshot that is to be made.</summary>
    /// <exception cref="IOException">There is no room, or no right.</exception>
    public string Begin(RevisionId revision)
    {
        var folder = FolderOf(revision);
        Remove(folder);
        try
        {
            Make(_root, OwnerOnly);
            Make(folder, OwnerOnly);
        }
        catch (UnauthorizedAccessException fault)
        {
            throw new IOException(fault.Message, fault);
        }

        return folder;
    }

    /// <summary>It was verified. Those that were not used for the longest time go until all fit. Returns its size in bytes; null when it alone is too large, and is removed.</summary>
    /// <param name="worker">Command of the workers that it is restored in.</param>
    /// <exception cref="IOException">It could not be noted.</exception>
    public long? Keep(RevisionId revision, int process, string worker, string compared, string checksum)
    {
        var folder = FolderOf(revision);
        var size = SizeOf(folder);
        if (size > _bytesMax)
        {
            Remove(folder);
            return null;
        }

        Write(folder, KeptFile, _stamp, process.ToString(CultureInfo.InvariantCulture), worker, compared, size.ToString(CultureInfo.InvariantCulture), checksum);
        var others = new DirectoryInfo(_root).GetDirectories().Where(other => other.FullName != folder).OrderBy(other => other.LastWriteTimeUtc).Select(other => (other.FullName, Size: SizeOf(other.FullName))).ToList();
        var total = size + others.Sum(other => other.Size);
        foreach (var other in others.TakeWhile(_ => total > _bytesMax))
        {
            Remove(other.FullName);
            total -= other.Size;
        }

        return size;
    }

    /// <summary>The revision can have none: what there is of it goes, and the reason is kept.</summary>
    public void Refuse(RevisionId revision, string reason)
    {
        try
        {
            Write(Begin(revision), RefusedFile, _stamp, reason.ReplaceLineEndings(" "));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // It is tried again by the next server.
        }
    }

    /// <summary>It is used: others go before it.</summary>
    public void Used(RevisionId revision, DateTimeOffset now)
    {
        try
        {
            Directory.SetLastWriteTimeUtc(FolderOf(revision), now.UtcDateTime);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // It goes earlier than it might.
        }
    }

    /// <summary>Where it is, or would be.</summary>
    public string FolderOf(RevisionId revision) => Path.Combine(_root, string.Create(CultureInfo.InvariantCulture, $"{revision.Endpoint.Value:N}-{revision.Number}"));

    public void Remove(RevisionId revision) => Remove(FolderOf(revision));

    public void Forget(EndpointId endpoint)
    {
        if (!Directory.Exists(_root))
            return;
        foreach (var folder in Directory.GetDirectories(_root, $"{endpoint.Value:N}-*"))
            Remove(folder);
    }

    public static string Make(string folder, UnixFileMode mode) =>
        OperatingSystem.IsWindows() ? Directory.CreateDirectory(folder).FullName : Directory.CreateDirectory(folder, mode).FullName;

    /// <summary>Lines of a file that was written on this machine as it is now; null = there is none.</summary>
    private string[]? Read(string folder, string name)
    {
        try
        {
            var file = Path.Combine(folder, name);
            if (!File.Exists(file))
                return null;
            var lines = File.ReadAllLines(file);
            if (lines.Length > 0 && lines[0] == _stamp)
                return lines;
            Remove(folder);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // As said: there is none.
        }

        return null;
    }

    private static void Write(string folder, string name, params string[] lines)
    {
        var file = Path.Combine(folder, name);
        File.WriteAllLines(file + ".new", lines);
        File.Move(file + ".new", file, overwrite: true);
    }

    private static long SizeOf(string folder) => new DirectoryInfo(folder).EnumerateFiles().Sum(file => file.Length);

    private static void Remove(string folder)
    {
        try
        {
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // Without its note it does not count, and with it it is tried again.
        }
    }

    /// <summary>Changes when what a snapshot holds would no longer fit to this machine: the boot (and so kernel, processor and the clock since it), Debian's packages, and programs of ours.</summary>
    private static string StampOf(IEnumerable<string> parts)
    {
        var text = new StringBuilder();
        foreach (var file in (IEnumerable<string>)["/proc/sys/kernel/random/boot_id"])
            text.Append(File.Exists(file) ? File.ReadAllText(file) : "");
        foreach (var part in (IEnumerable<string>)["/var/lib/dpkg/status", .. parts])
        {
            if (Directory.Exists(part))
            {
                foreach (var file in new DirectoryInfo(part).EnumerateFiles("*.py", SearchOption.AllDirectories).OrderBy(file => file.FullName, StringComparer.Ordinal))
                    Add(file);
            }
            else if (File.Exists(part))
            {
                Add(new(part));
            }
        }

        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));

        void Add(FileInfo file) => text.Append(CultureInfo.InvariantCulture, $"{file.FullName} {file.Length} {file.LastWriteTimeUtc.Ticks}\n");
    }
}

/// <param name="Process">Number of the process in it.</param>
/// <param name="Worker">Command of the workers that it is restored in.</param>
/// <param name="Compared">What was compared when it was verified: "answer", "status", "none".</param>
/// <param name="Checksum">As <see cref="SnapshotChecksum"/> has it.</param>
internal sealed record KeptSnapshot(string Folder, int Process, string Worker, string Compared, long SizeBytes, string Checksum);
