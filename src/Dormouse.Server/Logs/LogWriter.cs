using System.Threading.Channels;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;
using Dormouse.Server.Hosting.Settings;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Logs;

/// <summary>
/// Writes lines to disk behind the backs of those who have them: one thread, a bounded queue. What does not fit, or cannot be written, is given up and counted; nobody ever waits for the disk. Does nothing, and
/// touches no file, before the first line.
/// </summary>
internal sealed partial class LogWriter(string root, LogsSettings settings, TimeProvider time, ILogger<LogWriter> logger) : IAsyncDisposable
{
    /// <summary>Lines that wait for the disk, of all endpoints.</summary>
    public const int QueueMax = 16_384;

    /// <summary>Lines written at once.</summary>
    private const int BatchMax = 2_048;

    /// <summary>Files that are open at once.</summary>
    private const int OpenMax = 64;

    /// <summary>Logs leave so much of the disk free, or a twentieth of it, if that is less: calls need it more.</summary>
    private const long ReserveBytes = 64L << 20;

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan SweepInterval = TimeSpan.FromMinutes(10);

    private readonly Channel<Job> _jobs = Channel.CreateBounded<Job>(new BoundedChannelOptions(QueueMax) { SingleReader = true });
    private readonly Dictionary<EndpointId, LogFolder> _open = [];
    private readonly Dictionary<EndpointId, long> _firstOwn = [];
    private readonly Lock _starting = new();
    private Task? _running;
    private bool _isStopped;
    private long _total = -1;
    private long _uses;
    private DateTimeOffset _pausedUntil, _sweptAt, _lookedAt;
    private bool _isAway, _hasRoom = true;

    public bool IsOn => settings.EndpointBytes > 0;

    /// <summary>Returns at once. A line that finds the queue full is counted as lost.</summary>
    public void Keep(EndpointId endpoint, EndpointLog log, NumberedLine line)
    {
        if (IsOn && Start() && !_jobs.Writer.TryWrite(new Job.Line(endpoint, log, line)))
        {
            log.Lost(1);
        }
    }

    /// <summary>There are lines of it on disk.</summary>
    public bool Has(EndpointId endpoint) => IsOn && Directory.Exists(LogFolder.PathOf(root, endpoint));

    /// <summary>Lines on disk that are older than those in memory.</summary>
    /// <param name="before">Number of the oldest in memory.</param>
    public async Task<List<LogLine>> ReadAsync(EndpointId endpoint, LogWish wish, long before, CancellationToken cancellationToken)
    {
        if (!IsOn)
        {
            return [];
        }

        // What was handed over before is then on disk.
        var firstOwn = await FlushAsync(endpoint, cancellationToken) ?? long.MaxValue;
        return await Task.Run(() => LogReading.Last(LogFolder.PathOf(root, endpoint), wish, firstOwn, before), cancellationToken);
    }

    /// <summary>The endpoint is deleted: its files go, in their turn.</summary>
    public void Remove(EndpointId endpoint)
    {
        if (IsOn && (_running is not null || Has(endpoint)) && Start() && !_jobs.Writer.TryWrite(new Job.Remove(endpoint)))
        {
            ThreadPool.QueueUserWorkItem(_ => Delete(LogFolder.PathOf(root, endpoint)));
        }
    }

    /// <summary>Lines of the endpoint are numbered from the beginning again.</summary>
    public void Forget(EndpointId endpoint) => _jobs.Writer.TryWrite(new Job.Forget(endpoint));

    /// <summary>Writes what waits, and ends. Idempotent.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_starting)
        {
            _isStopped = true;
        }

        _jobs.Writer.TryComplete();
        if (_running is not null)
        {
            await _running;
        }
    }

    private async Task<long?> FlushAsync(EndpointId endpoint, CancellationToken cancellationToken)
    {
        if (_running is null)
        {
            return null;
        }

        var flush = new Job.Flush(endpoint);
        try
        {
            await _jobs.Writer.WriteAsync(flush, cancellationToken);
        }
        catch (ChannelClosedException)
        {
            return null;
        }

        return await flush.FirstOwn.Task.WaitAsync(cancellationToken);
    }

    private bool Start()
    {
        if (_running is not null)
        {
            return !_isStopped;
        }

        lock (_starting)
        {
            if (!_isStopped)
            {
                _running ??= Task.Run(RunAsync);
            }

            return !_isStopped;
        }
    }

    private async Task RunAsync()
    {
        var batch = new List<Job>(BatchMax);
        while (await _jobs.Reader.WaitToReadAsync())
        {
            while (batch.Count < BatchMax && _jobs.Reader.TryRead(out var job))
            {
                batch.Add(job);
            }

            try
            {
                Work(batch);
            }
            catch (Exception fault)
            {
                // The top of the loop: whatever it was, lines are given up and not their writers.
                LogFailed(fault);
            }

            foreach (var flush in batch.OfType<Job.Flush>())
            {
                flush.FirstOwn.TrySetResult(_firstOwn.TryGetValue(flush.Endpoint, out var first) ? first : null);
            }

            batch.Clear();
        }

        foreach (var folder in _open.Values)
        {
            folder.Dispose();
        }
    }

    private void Work(List<Job> batch)
    {
        foreach (var jobs in batch.OfType<Job.Line>().GroupBy(j => (j.Endpoint, j.Log)))
        {
            if (MayWrite())
            {
                Write(jobs.Key.Endpoint, jobs.Key.Log, [.. jobs.Select(j => j.Text)]);
            }
            else
            {
                jobs.Key.Log.Lost(jobs.Count());
            }
        }

        foreach (var job in batch.Where(j => j is Job.Remove or Job.Forget))
        {
            if (_open.Remove(job.Endpoint, out var folder))
            {
                folder.Dispose();
            }

            _firstOwn.Remove(job.Endpoint);
            if (job is Job.Remove)
            {
                Delete(LogFolder.PathOf(root, job.Endpoint));
                _total = -1;
            }
        }

        Sweep();
    }

    private bool MayWrite()
    {
        var now = time.GetUtcNow();
        if (now < _pausedUntil)
        {
            return false;
        }

        if (now - _lookedAt >= TimeSpan.FromSeconds(1) || now < _lookedAt)
        {
            _lookedAt = now;
            _hasRoom = HasRoom();
        }

        if (!_hasRoom && !_isAway)
        {
            _isAway = true;
            LogNoRoom();
        }

        return _hasRoom;
    }

    private void Write(EndpointId endpoint, EndpointLog log, List<NumberedLine> lines)
    {
        try
        {
            if (!_open.TryGetValue(endpoint, out var folder))
            {
                MakeRoomToOpen();
                Directory.CreateDirectory(root, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
                _open[endpoint] = folder = new LogFolder(root, endpoint, settings.EndpointBytes, _firstOwn.TryGetValue(endpoint, out var first) ? first : null);
                _firstOwn[endpoint] = folder.FirstOwn;
            }

            folder.UsedAt = ++_uses;
            var grown = folder.Append(lines);
            _total += _total < 0 ? 0 : grown;
            _isAway = false;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            log.Lost(lines.Count);
            _pausedUntil = time.GetUtcNow() + Pause;
            if (_open.Remove(endpoint, out var broken))
            {
                broken.Dispose();
            }

            if (!_isAway)
            {
                _isAway = true;
                LogFailed(fault);
            }
        }
    }

    private void MakeRoomToOpen()
    {
        while (_open.Count >= OpenMax)
        {
            var (endpoint, folder) = _open.MinBy(f => f.Value.UsedAt);
            folder.Dispose();
            _open.Remove(endpoint);
        }
    }

    /// <summary>Removes what is too old, and the oldest while all together is too much.</summary>
    private void Sweep()
    {
        var now = time.GetUtcNow();
        if (_total >= 0 && _total <= settings.TotalBytes && now - _sweptAt < SweepInterval && now >= _sweptAt)
        {
            return;
        }

        _sweptAt = now;
        _total = 0;
        var folders = new DirectoryInfo(root);
        if (!folders.Exists)
        {
            return;
        }

        var files = folders.EnumerateDirectories().SelectMany(d => LogFolder.Files(d.FullName).Select(f => f.File)).OrderBy(f => f.LastWriteTimeUtc).ToList();
        _total = files.Sum(f => f.Length);
        foreach (var file in files.TakeWhile(f => _total > settings.TotalBytes || now - f.LastWriteTimeUtc > settings.Keep).ToList())
        {
            _total -= file.Length;
            file.Delete();
        }

        // It may have been one that is open; the next line then begins a new one.
        foreach (var folder in _open.Values)
        {
            folder.Dispose();
        }

        foreach (var empty in folders.EnumerateDirectories().Where(d => !d.EnumerateFileSystemInfos().Any()))
        {
            empty.Delete();
        }
    }

    private bool HasRoom()
    {
        try
        {
            var drive = new DriveInfo(Directory.Exists(root) ? root : Path.GetDirectoryName(root) ?? "/");
            return drive.AvailableFreeSpace > Math.Min(ReserveBytes, drive.TotalSize / 20);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return true; // Writing tells.
        }
    }

    private static void Delete(string path)
    {
        try
        {
            if (Directory.Exists(path))
            {
                Directory.Delete(path, recursive: true);
            }
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // What is left grows old and goes.
        }
    }

    [LoggerMessage(EventId = 4701, EventName = "LogsNotWritten", Level = LogLevel.Warning, Message = "Lines of instances cannot be written to the data folder; they are given up and counted until it works again. Calls are not affected")]
    private partial void LogFailed(Exception fault);

    [LoggerMessage(EventId = 4702, EventName = "LogsHaveNoRoom", Level = LogLevel.Warning, Message = "The disk of the data folder is nearly full: lines of instances are not written until there is room. Calls are not affected")]
    private partial void LogNoRoom();

    /// <summary>What the one thread does, in the order of arrival but for lines, which come first.</summary>
    private abstract record Job
    {
        private Job(EndpointId endpoint) => Endpoint = endpoint;

        public EndpointId Endpoint { get; }

        public sealed record Line(EndpointId Of, EndpointLog Log, NumberedLine Text) : Job(Of);

        public sealed record Flush(EndpointId Of) : Job(Of)
        {
            /// <summary>Number of the first file of this server; null = it has written none.</summary>
            public TaskCompletionSource<long?> FirstOwn { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        public sealed record Remove(EndpointId Of) : Job(Of);

        public sealed record Forget(EndpointId Of) : Job(Of);
    }
}
