using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;

namespace Dormouse.Server.Logs;

/// <summary>
/// What the instances of an endpoint wrote and what the server did with it: the last <see cref="LinesMax"/> lines per endpoint, in memory.
/// Older lines are dropped; so are all lines of the endpoint that was silent longest once more than <see cref="EndpointsMax"/> have some.
/// </summary>
internal sealed class LogStore(TimeProvider time)
{
    public const int LinesMax = 1000;
    public const int EndpointsMax = 2000;

    /// <summary>Longer lines are cut; the rest is lost.</summary>
    public const int LineCharactersMax = 4000;

    /// <summary>Source of lines by the server itself; an instance's source is its short id.</summary>
    public const string ServerSource = "dormouse";

    private readonly ConcurrentDictionary<EndpointId, EndpointLog> _logs = new();

    public void Append(EndpointId endpoint, string source, string text)
    {
        (var invocation, text) = InvocationMark.Take(text);
        var line = text.Length <= LineCharactersMax ? text : string.Concat(text.AsSpan(0, LineCharactersMax), "…");
        _logs.GetOrAdd(endpoint, static _ => new EndpointLog()).Append(new LogLine(time.GetUtcNow(), source, line, invocation));
        if (_logs.Count > EndpointsMax)
        {
            DropSilent(endpoint);
        }
    }

    /// <summary>The last <paramref name="tail"/> lines, oldest first; with <paramref name="follow"/> also those to come, until cancelled or the endpoint is removed.</summary>
    public IAsyncEnumerable<LogLine> ReadAsync(EndpointId endpoint, int tail, bool follow, CancellationToken cancellationToken) => ReadAsync(endpoint, tail, follow, null, cancellationToken);

    /// <param name="invocation">Only lines of this one; null = of all.</param>
    public async IAsyncEnumerable<LogLine> ReadAsync(EndpointId endpoint, int tail, bool follow, string? invocation, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (!follow && !_logs.ContainsKey(endpoint))
        {
            yield break;
        }

        var log = _logs.GetOrAdd(endpoint, static _ => new EndpointLog());
        var lines = new List<LogLine>();
        var next = log.Read(null, invocation is null ? tail : LinesMax, lines, out var more);
        if (invocation is not null)
        {
            lines.RemoveAll(l => !Is(l, invocation));
            lines.RemoveRange(0, Math.Max(0, lines.Count - tail));
        }

        while (true)
        {
            foreach (var line in lines)
            {
                yield return line;
            }

            if (!follow || !await more.WaitAsync(cancellationToken))
            {
                yield break;
            }

            lines.Clear();
            next = log.Read(next, LinesMax, lines, out more);
            if (invocation is not null)
            {
                lines.RemoveAll(l => !Is(l, invocation));
            }
        }
    }

    /// <summary>The endpoint is deleted: its lines go, and those who follow them are told that there is no more.</summary>
    public void Remove(EndpointId endpoint)
    {
        if (_logs.TryRemove(endpoint, out var log))
        {
            log.Close();
        }
    }

    private static bool Is(LogLine line, string invocation) => string.Equals(line.Invocation, invocation, StringComparison.OrdinalIgnoreCase);

    private void DropSilent(EndpointId butNot)
    {
        var silent = _logs.Where(l => l.Key != butNot).MinBy(l => l.Value.LastWritten);
        if (silent.Value is not null)
        {
            Remove(silent.Key);
        }
    }

    /// <summary>A ring of lines and the signal that the next one came.</summary>
    private sealed class EndpointLog
    {
        private readonly Lock _lines = new();
        private readonly Queue<LogLine> _ring = [];
        private long _written;
        private bool _closed;
        private TaskCompletionSource<bool>? _more;

        public DateTimeOffset LastWritten { get; private set; }

        public void Append(LogLine line)
        {
            TaskCompletionSource<bool>? waiting;
            lock (_lines)
            {
                if (_ring.Count == LinesMax)
                {
                    _ring.Dequeue();
                }

                _ring.Enqueue(line);
                _written++;
                LastWritten = line.At;
                waiting = _more;
                _more = null;
            }

            waiting?.SetResult(true);
        }

        /// <summary>Adds lines from number <paramref name="from"/> on (null = the last <paramref name="max"/>); returns the next number and a task that ends with the next line (true) or the log (false).</summary>
        public long Read(long? from, int max, List<LogLine> into, out Task<bool> more)
        {
            lock (_lines)
            {
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
    }
}
