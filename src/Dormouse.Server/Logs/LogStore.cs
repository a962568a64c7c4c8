using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;
using Dormouse.Server.Hosting.Settings;

namespace Dormouse.Server.Logs;

/// <summary>
/// What the instances of an endpoint wrote and what the server did with it: the last <see cref="LinesMax"/> lines per endpoint in memory, more of them on disk (<see cref="LogWriter"/>), where they outlive instances
/// and the server. Of the endpoint that was silent longest the lines in memory go once more than <see cref="EndpointsMax"/> have some.
/// </summary>
internal sealed class LogStore(LogWriter writer, LogsSettings settings, TimeProvider time)
{
    public const int LinesMax = 1000;
    public const int EndpointsMax = 2000;

    /// <summary>Lines that are read at once.</summary>
    public const int TailMax = 10_000;

    /// <summary>Longer lines are cut; the rest is lost.</summary>
    public const int LineCharactersMax = 4000;

    /// <summary>Source of lines by the server itself; an instance's source is its short id.</summary>
    public const string ServerSource = "dormouse";

    private readonly ConcurrentDictionary<EndpointId, EndpointLog> _logs = new();

    /// <summary>Deleted lately: what their last instances still say is for nobody.</summary>
    private readonly ConcurrentDictionary<EndpointId, bool> _removed = new();

    public void Append(EndpointId endpoint, string source, string text)
    {
        if (_removed.ContainsKey(endpoint))
        {
            return;
        }

        (var invocation, text) = InvocationMark.Take(text);
        var line = text.Length <= LineCharactersMax ? text : string.Concat(text.AsSpan(0, LineCharactersMax), "…");
        var log = Log(endpoint);
        log.Append(new LogLine(time.GetUtcNow(), source, line, invocation), numbered => writer.Keep(endpoint, log, numbered));
        if (_logs.Count > EndpointsMax)
        {
            DropSilent(endpoint);
        }
    }

    /// <summary>The last <paramref name="tail"/> lines, oldest first; with <paramref name="follow"/> also those to come, until cancelled or the endpoint is removed.</summary>
    public IAsyncEnumerable<LogLine> ReadAsync(EndpointId endpoint, int tail, bool follow, CancellationToken cancellationToken) => ReadAsync(endpoint, new LogWish(tail), follow, cancellationToken);

    /// <summary>The lines that are wanted, oldest first, from memory and, where that is not enough, from disk; with <paramref name="follow"/> also those to come.</summary>
    public async IAsyncEnumerable<LogLine> ReadAsync(EndpointId endpoint, LogWish wish, bool follow, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (!follow && !_logs.ContainsKey(endpoint) && !writer.Has(endpoint))
        {
            yield break;
        }

        var lines = new List<LogLine>();
        var next = Log(endpoint).Read(null, LinesMax, lines, out var more);
        var oldest = next - lines.Count;
        lines.RemoveAll(l => !wish.Wants(l));
        lines.RemoveRange(0, Math.Max(0, lines.Count - wish.Tail));
        if (lines.Count < wish.Tail)
        {
            lines.InsertRange(0, await writer.ReadAsync(endpoint, wish with { Tail = wish.Tail - lines.Count }, oldest, cancellationToken));
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
            next = Log(endpoint).Read(next, LinesMax, lines, out more);
            lines.RemoveAll(l => !wish.Wants(l));
        }
    }

    /// <summary>The endpoint is deleted: its lines go, also from disk, and those who follow them are told that there is no more.</summary>
    public void Remove(EndpointId endpoint)
    {
        if (_removed.Count >= EndpointsMax)
        {
            _removed.Clear();
        }

        _removed[endpoint] = true;
        if (_logs.TryRemove(endpoint, out var log))
        {
            log.Close();
        }

        writer.Remove(endpoint);
    }

    private EndpointLog Log(EndpointId endpoint) => _logs.GetOrAdd(endpoint, static (_, lines) => new EndpointLog(lines), settings.LinesPerSecond);

    private void DropSilent(EndpointId butNot)
    {
        var silent = _logs.Where(l => l.Key != butNot).MinBy(l => l.Value.LastWritten);
        if (silent.Value is not null && _logs.TryRemove(silent.Key, out var log))
        {
            log.Close();
            writer.Forget(silent.Key);
        }
    }
}
