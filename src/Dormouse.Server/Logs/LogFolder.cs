using System.Globalization;
using System.Text;
using System.Text.Json;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;

namespace Dormouse.Server.Logs;

/// <summary>
/// The files of one endpoint's lines, <c>logs/{endpoint}/{number}.log</c>, the newest last: a line's number, a tab, and the line as JSON. Each server that opens the folder begins a file of its own, so that a
/// line which its forerunner did not finish stays alone. Written by one thread; read by any.
/// </summary>
internal sealed class LogFolder : IDisposable
{
    /// <summary>The bound is kept by whole files.</summary>
    private const int FilesPerBound = 4;

    private const string Ending = ".log";

    private readonly string _path;
    private readonly long _bytesMax;
    private readonly long _firstOwn;
    private FileStream? _file;
    private long _number;

    /// <param name="root">Folder of all endpoints' folders.</param>
    /// <param name="firstOwn">As <see cref="FirstOwn"/> was when this server had it open before; null = it had not.</param>
    public LogFolder(string root, EndpointId endpoint, long bytesMax, long? firstOwn)
    {
        _path = PathOf(root, endpoint);
        _bytesMax = bytesMax;
        _number = Files(_path).Select(f => f.Number).DefaultIfEmpty(0).Max();
        _firstOwn = firstOwn ?? _number + 1;
    }

    /// <summary>When it was written to, for whoever keeps few open.</summary>
    public long UsedAt { get; set; }

    /// <summary>Files from this number on are this server's: numbers of lines in them are comparable with its own.</summary>
    public long FirstOwn => _firstOwn;

    public static string PathOf(string root, EndpointId endpoint) => Path.Combine(root, endpoint.Value.ToString("N", CultureInfo.InvariantCulture));

    /// <summary>Files of a folder by their numbers, the oldest first; none when it is not there.</summary>
    public static IReadOnlyList<(long Number, FileInfo File)> Files(string path)
    {
        var folder = new DirectoryInfo(path);
        return folder.Exists
            ? [.. folder.EnumerateFiles("*" + Ending).Select(f => (Number: long.TryParse(Path.GetFileNameWithoutExtension(f.Name), NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : 0, f)).Where(f => f.Number > 0).OrderBy(f => f.Number)]
            : [];
    }

    /// <summary>Appends lines, begins a new file when one is full, and removes the oldest over the bound.</summary>
    /// <returns>By how many bytes the folder has grown; negative when it has shrunk.</returns>
    /// <exception cref="IOException">The disk is full, or broken; some of the lines may be there.</exception>
    public long Append(IEnumerable<NumberedLine> lines)
    {
        long grown = 0;
        var part = new MemoryStream();
        foreach (var (number, line) in lines)
        {
            var head = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{number}\t"));
            var body = JsonSerializer.SerializeToUtf8Bytes(line, ControlJson.Default.LogLine);
            if (part.Length > 0 && part.Length + head.Length + body.Length + 1 > _bytesMax / FilesPerBound)
            {
                grown += Append(part);
                part.SetLength(0);
            }

            part.Write(head);
            part.Write(body);
            part.WriteByte((byte)'\n');
        }

        return grown + Append(part);
    }

    public void Dispose()
    {
        _file?.Dispose();
        _file = null;
    }

    private long Append(MemoryStream part)
    {
        long removed = 0;
        _file ??= Reopened();
        if (_file is null || _file.Length + part.Length > Math.Max(_bytesMax / FilesPerBound, part.Length))
        {
            Dispose();
            Directory.CreateDirectory(_path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            removed = RemoveOldest(part.Length);
            _file = Open(PathOfFile(++_number), FileMode.CreateNew);
        }

        _file.Write(part.GetBuffer(), 0, (int)part.Length);
        return part.Length - removed;
    }

    /// <summary>The last file, when this server began it; null = a new one is needed.</summary>
    private FileStream? Reopened()
    {
        var path = PathOfFile(_number);
        if (_number < _firstOwn || !File.Exists(path))
        {
            return null;
        }

        var file = Open(path, FileMode.Append);
        // Where the last write broke off, its half line ends here.
        file.WriteByte((byte)'\n');
        return file;
    }

    private string PathOfFile(long number) => Path.Combine(_path, string.Create(CultureInfo.InvariantCulture, $"{number:D10}{Ending}"));

    private static FileStream Open(string path, FileMode mode) => new(path, new FileStreamOptions
    {
        Mode = mode,
        Access = FileAccess.Write,
        Share = FileShare.ReadWrite | FileShare.Delete,
        BufferSize = 0,
        UnixCreateMode = mode == FileMode.CreateNew ? UnixFileMode.UserRead | UnixFileMode.UserWrite : null,
    });

    /// <summary>Room for one more file of the largest size, or for what comes.</summary>
    private long RemoveOldest(long coming)
    {
        var files = Files(_path);
        var total = files.Sum(f => f.File.Length);
        var removed = 0L;
        foreach (var (_, file) in files)
        {
            if (total - removed + Math.Max(coming, _bytesMax / FilesPerBound) <= _bytesMax)
            {
                break;
            }

            removed += file.Length;
            file.Delete();
        }

        return removed;
    }
}
