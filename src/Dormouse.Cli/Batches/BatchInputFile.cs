using System.Formats.Tar;
using System.IO.Enumeration;
using Dormouse.Cli.Connection;
using Dormouse.Cli.LocalFiles;
using Dormouse.Cli.Terminal;
using Dormouse.Client;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Batches;

/// <summary>An input of this machine on its way to the server: a file as it is, a folder or a pattern as one archive.</summary>
/// <param name="Path">The file to send.</param>
/// <param name="Name">What it is called.</param>
/// <param name="Format">Null = by its name.</param>
/// <param name="Items">About how many items it has; null = not known.</param>
/// <param name="IsTemporary">It was made for the sending.</param>
internal sealed record BatchInputFile(string Path, string Name, string? Format, long? Items, bool IsTemporary) : IDisposable
{
    private const int NameLengthMax = 255;

    /// <exception cref="CommandException">There is nothing to send.</exception>
    public static async Task<BatchInputFile> FindAsync(Session session, string input, string? format, CancellationToken cancellationToken)
    {
        var kind = LocalFile.KindOf(input);
        if (kind == LocalKind.File)
        {
            return format == "files"
                ? throw CommandException.Usage($"--format files is for folders; '{input}' is a file.")
                : new BatchInputFile(input, Short(System.IO.Path.GetFileName(input)), format, await LocalFile.RunAsync(() => CountLines(input, format, cancellationToken), cancellationToken), false);
        }

        if (kind is not (LocalKind.Folder or LocalKind.Missing))
        {
            throw CommandException.BadSource($"--input '{input}' is {LocalFile.Word(kind)}: it is read twice, so it must be a file, a folder, or a pattern of files.");
        }

        if (format is not (null or "files"))
        {
            throw CommandException.Usage($"--format {format} is for a file; '{input}' is a folder or pattern, each file of which is one item.");
        }

        var (folder, pattern) = kind == LocalKind.Folder ? (input, "*") : (System.IO.Path.GetDirectoryName(input) is { Length: > 0 } named ? named : ".", System.IO.Path.GetFileName(input));
        var files = kind == LocalKind.Missing && !pattern.AsSpan().ContainsAny('*', '?') || !Directory.Exists(folder)
            ? throw CommandException.BadSource($"--input '{input}': there is no such file or folder.{LocalFile.Near(input)}")
            : new DirectoryInfo(folder).EnumerateFiles().Where(f => f.Name[0] != '.' && FileSystemName.MatchesSimpleExpression(pattern, f.Name, ignoreCase: false)).OrderBy(f => f.Name, StringComparer.Ordinal).ToList();
        if (files.Count == 0)
        {
            throw CommandException.BadSource($"--input '{input}': there are no files. Files in folders within it are not looked at.");
        }

        var archive = System.IO.Path.Combine(System.IO.Path.GetTempPath(), System.IO.Path.GetRandomFileName() + ".tar");
        try
        {
            await session.Activity.RunAsync($"packing {Units.Count(files.Count)} files", files.Sum(f => f.Length), async progress =>
            {
                await PackAsync(files, archive, progress, cancellationToken);
                return true;
            });
        }
        catch
        {
            File.Delete(archive);
            throw;
        }

        var name = System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(kind == LocalKind.Folder ? input : folder)));
        return new BatchInputFile(archive, Short(kind == LocalKind.Folder ? name : name + "/" + pattern), "files", files.Count, true);
    }

    /// <summary>Sends what the server lacks of it.</summary>
    public async Task<BatchInputRequest> SendAsync(Session session, CancellationToken cancellationToken)
    {
        var bytes = new FileInfo(Path).Length;
        var blob = await session.Activity.RunAsync($"reading {Name}", bytes, progress => BlobUploader.HashAsync(Path, Name, progress, cancellationToken));
        await session.Activity.RunAsync($"uploading {Name}", bytes, progress => session.Client.Blobs.UploadAsync(Path, blob, progress, cancellationToken));
        return new BatchInputRequest { Blob = blob.Sha256, Name = Name, Format = Format };
    }

    public void Dispose()
    {
        if (IsTemporary)
        {
            File.Delete(Path);
        }
    }

    /// <summary>The same files make the same bytes, so that an upload that broke goes on.</summary>
    private static async Task PackAsync(IEnumerable<FileInfo> files, string archive, IProgress<long> progress, CancellationToken cancellationToken)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        await using var stream = new FileStream(archive, options);
        await using var writer = new TarWriter(stream, TarEntryFormat.Gnu, leaveOpen: true);
        foreach (var file in files)
        {
            await using var content = file.OpenRead();
            await writer.WriteEntryAsync(
                new GnuTarEntry(TarEntryType.RegularFile, file.Name)
                {
                    DataStream = content,
                    ModificationTime = DateTimeOffset.UnixEpoch,
                    AccessTime = DateTimeOffset.UnixEpoch,
                    ChangeTime = DateTimeOffset.UnixEpoch,
                },
                cancellationToken);
            progress.Report(file.Length);
        }
    }

    /// <summary>About its items: lines, less the header of a table.</summary>
    private static long? CountLines(string file, string? format, CancellationToken cancellationToken)
    {
        var ending = System.IO.Path.GetExtension(file).ToLowerInvariant();
        if (format == "parquet" || (format is null && ending == ".parquet"))
        {
            // It has no lines; the server finds its rows.
            return null;
        }

        using var stream = new FileStream(file, new FileStreamOptions { Share = FileShare.ReadWrite, BufferSize = 0 });
        var buffer = new byte[1 << 20];
        var (lines, last) = (0L, (byte)'\n');
        while (stream.Read(buffer) is > 0 and var read)
        {
            cancellationToken.ThrowIfCancellationRequested();
            lines += buffer.AsSpan(0, read).Count((byte)'\n');
            last = buffer[read - 1];
        }

        lines += last == '\n' ? 0 : 1;
        var isTable = format == "csv" || (format is null && ending is ".csv" or ".tsv");
        return Math.Max(0, lines - (isTable ? 1 : 0));
    }

    private static string Short(string name) => name.Length <= NameLengthMax ? name : name[..NameLengthMax];
}
