using System.Globalization;
using Dormouse.Protocol.Control;

namespace Dormouse.Server.Logs;

/// <summary>A line and its number among those that this server has of its endpoint.</summary>
internal readonly record struct NumberedLine(long Number, LogLine Line);

/// <summary>The last lines of one endpoint in memory, the signal that the next one came, and the bound of how many a second there may be.</summary>
internal sealed class EndpointLog(int linesPerSecond)
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(1);

    private readonly Lock _lines = new();
    private readonly Queue<LogLine> _ring = [];
    private long _written;
    private bool _closed;
    private TaskCompletionSource<bool>? _more;
    private DateTimeOffset _windowStart;
    private int _inWindow;
    private long _dropped;
    private long _lost;

    public DateTimeOffset LastWritten { get; private set; }

    /// <summary>Counts lines that could not be kept on disk; the next line that can be says so.</summary>
    public void Lost(long lines) => Interlocked.Add(ref _lost, lines);

    /// <summary>Takes the line in and hands <paramref name="keep"/> what is to be kept: the line, and before it how many were dropped since the last. False: it was dropped itself.</summary>
    /// <param name="keep">Called under the log's lock, in order of number; must not block.</param>
    public bool Append(LogLine line, Action<NumberedLine> keep)
    {
        TaskCompletionSource<bool>? waiting;
        lock (_lines)
        {
            // A clock that was set back begins a new window too.
            if (line.At - _windowStart >= Window || line.At < _windowStart)
            {
                _windowStart = line.At;
                _inWindow = 0;
            }

            // What the server itself says is little, and explains the rest.
            var isServers = line.Source == LogStore.ServerSource;
            if (!isServers && _inWindow >= linesPerSecond)
            {
                _dropped++;
                return false;
            }

            _inWindow += isServers ? 0 : 1;
            if (_dropped > 0 && _inWindow <= 1)
            {
                AddLocked(Dropped(line.At), keep);
                _dropped = 0;
            }

            if (Interlocked.Exchange(ref _lost, 0) is > 0 and var lost)
            {
                AddLocked(Note(line.At, $"[{lost} lines are not kept on disk: it was full, or too slow]"), keep);
            }

            AddLocked(line, keep);
            waiting = _more;
            _more = null;
        }

        waiting?.SetResult(true);
        return true;
    }

    /// <summary>Adds lines from number <paramref name="from"/> on (null = the last <paramref name="max"/>); returns the next number and a task that ends with the next line (true) or the log (false).</summary>
    public long Read(long? from, int max, List<LogLine> into, out Task<bool> more)
    {
        TaskCompletionSource<bool>? waiting = null;
        try
        {
            return ReadLocked(from, max, into, out more, out waiting);
        }
        finally
        {
            waiting?.SetResult(true);
        }
    }

    private long ReadLocked(long? from, int max, List<LogLine> into, out Task<bool> more, out TaskCompletionSource<bool>? waiting)
    {
        lock (_lines)
        {
            waiting = null;
            if (_dropped > 0)
            {
                // Whoever looks is told at once; on disk it does not stand then.
                AddLocked(Dropped(LastWritten), static _ => { });
                _dropped = 0;
                waiting = _more;
                _more = null;
            }

            var oldest = _written - _ring.Count;
            var start = Math.Max(oldest, from ?? _written - max);
            into.AddRange(_ring.Skip((int)(start - oldest)));
            more = _closed
                ? Task.FromResult(false)
                : (_more ??= new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            return _written;
        }
    }

    public void Close()
    {
        TaskCompletionSource<bool>? waiting;
        lock (_lines)
        {
            _closed = true;
            waiting = _more;
            _more = null;
        }

        waiting?.SetResult(false);
    }

    private static LogLine Note(DateTimeOffset at, FormattableString text) => new(at, LogStore.ServerSource, text.ToString(CultureInfo.InvariantCulture));

    private LogLine Dropped(DateTimeOffset at) => Note(at, $"[{_dropped} lines dropped: more than {linesPerSecond} in a second (logs.lines_per_second)]");

    private void AddLocked(LogLine line, Action<NumberedLine> keep)
    {
        if (_ring.Count == LogStore.LinesMax)
        {
            _ring.Dequeue();
        }

        _ring.Enqueue(line);
        keep(new NumberedLine(_written, line));
        _written++;
        LastWritten = line.At;
    }
}
