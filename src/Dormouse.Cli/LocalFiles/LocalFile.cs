using System.Text;
using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.LocalFiles;

/// <summary>
/// Files that a person names on the command line. Nothing here waits for ever on a pipe: what is read goes through <see cref="RunAsync"/>, and what must be
/// read twice is a regular file.
/// </summary>
internal static class LocalFile
{
    /// <summary>Longest text (settings, signature, wanted state, request) that is read.</summary>
    public const long TextBytesMax = 64L << 20;

    public static LocalKind KindOf(string path)
    {
        if (OperatingSystem.IsLinux() && Libc.FileType(path) is { } type)
        {
            return type switch
            {
                0x1000 => LocalKind.Pipe,
                0x4000 => LocalKind.Folder,
                0x8000 => LocalKind.File,
                0xC000 => LocalKind.Socket,
                _ => LocalKind.Device,
            };
        }

        return File.Exists(path) ? LocalKind.File : Directory.Exists(path) ? LocalKind.Folder : LocalKind.Missing;
    }

    /// <summary>"a pipe", for a sentence.</summary>
    public static string Word(LocalKind kind) => kind switch
    {
        LocalKind.Folder => "a folder",
        LocalKind.Pipe => "a pipe",
        LocalKind.Device => "a device",
        LocalKind.Socket => "a socket",
        _ => "a file",
    };

    /// <summary>
    /// Work that reads local files. It may block where nothing can call it back (a pipe nobody writes to, a dead network disk), so only the wait for it
    /// ends; the thread ends with the process.
    /// </summary>
    public static Task<T> RunAsync<T>(Func<T> read, CancellationToken cancellationToken) => Task.Run(read, CancellationToken.None).WaitAsync(cancellationToken);

    /// <summary>A text file as a whole, pipes too.</summary>
    /// <param name="what">For the message when there is none: "signature file".</param>
    public static string ReadText(string path, string what) => Encoding.UTF8.GetString(WithoutMark(ReadBytes(path, what, TextBytesMax)));

    /// <summary>A file, pipe or device as a whole.</summary>
    /// <exception cref="CommandException">Nothing is there, it is a folder or socket, or it gives more than <paramref name="bytesMax"/>.</exception>
    public static byte[] ReadBytes(string path, string what, long bytesMax)
    {
        ThrowUnlessReadable(path, what);
        using var stream = new FileStream(path, new FileStreamOptions { Share = FileShare.ReadWrite, BufferSize = 0 });
        using var whole = new MemoryStream();
        var buffer = new byte[64 * 1024];
        int read;
        while ((read = stream.Read(buffer)) > 0)
        {
            if (whole.Length + read > bytesMax)
            {
                throw CommandException.BadSource($"'{path}' gives more than {Units.Bytes(bytesMax)}, the most that is read here.");
            }

            whole.Write(buffer, 0, read);
        }

        return whole.ToArray();
    }

    /// <summary>Says what is there instead of a file.</summary>
    public static void ThrowUnlessReadable(string path, string what)
    {
        var kind = KindOf(path);
        if (kind == LocalKind.Missing)
        {
            throw CommandException.BadSource($"There is no {what} '{path}'.{Near(path)}");
        }

        if (kind is LocalKind.Folder or LocalKind.Socket)
        {
            throw CommandException.BadSource($"'{path}' is {Word(kind)}; a {what} is needed here.");
        }
    }

    /// <summary>A file's neighbours that a mistyped path may have meant.</summary>
    public static string Near(string path)
    {
        const int EntriesMax = 2000;
        if (path.Length == 0)
        {
            return "";
        }

        var full = Path.GetFullPath(path);
        return Path.GetDirectoryName(full) is { } folder && Directory.Exists(folder)
            ? Suggestions.Question(Path.GetFileName(full), Directory.EnumerateFileSystemEntries(folder).Take(EntriesMax).Select(e => Path.GetFileName(e)!))
            : "";
    }

    private static ReadOnlySpan<byte> WithoutMark(ReadOnlySpan<byte> text) => text.StartsWith(Encoding.UTF8.Preamble) ? text[Encoding.UTF8.Preamble.Length..] : text;
}
