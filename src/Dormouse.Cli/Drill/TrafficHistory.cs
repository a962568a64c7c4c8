using System.Collections.Immutable;

namespace Dormouse.Cli.Drill;

/// <summary>
/// Which revisions had traffic when. While a change is under way both the old and the new traffic may answer; once the server has confirmed it, only the
/// new may answer what is sent from then on. Times are timestamps of one clock.
/// </summary>
internal sealed class TrafficHistory
{
    private readonly Lock _entriesLock = new();
    private ImmutableList<Entry> _entries = [];

    /// <summary>A change to this traffic is about to be asked for.</summary>
    public void Changing(IEnumerable<int> revisions, long now)
    {
        lock (_entriesLock)
        {
            _entries = _entries.Add(new Entry([.. revisions], now, null));
        }
    }

    /// <summary>The server has confirmed the last change.</summary>
    public void Changed(long now)
    {
        lock (_entriesLock)
        {
            _entries = [.. _entries.Select((e, i) => i < _entries.Count - 1 && e.Until is null ? e with { Until = now } : e)];
        }
    }

    /// <summary>Revisions that may answer a call that was sent and answered at these times.</summary>
    public IReadOnlySet<int> Between(long sent, long answered)
    {
        lock (_entriesLock)
        {
            return _entries.Where(e => e.From <= answered && (e.Until is null || e.Until >= sent)).SelectMany(e => e.Revisions).ToHashSet();
        }
    }

    private sealed record Entry(ImmutableArray<int> Revisions, long From, long? Until);
}
