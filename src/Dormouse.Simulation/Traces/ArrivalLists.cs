using Dormouse.Core;
using Dormouse.Simulation.Load;

namespace Dormouse.Simulation.Traces;

/// <summary>Collects single invocations by endpoint and makes a load of them.</summary>
internal sealed class ArrivalLists
{
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private long _count;
    private TimeSpan _end;

    /// <param name="at">From the start of the trace, at least zero.</param>
    public void Add(string endpoint, TimeSpan at, TimeSpan runTime, int? memoryMib = null)
    {
        if (!_entries.TryGetValue(endpoint, out var entry))
        {
            _entries.Add(endpoint, entry = new Entry());
        }

        entry.Arrivals.Add(new Arrival(new MonotonicTime(at.Ticks), runTime));
        entry.MemoryMib = memoryMib ?? entry.MemoryMib;
        _count++;
        _end = at + runTime > _end ? at + runTime : _end;
    }

    /// <exception cref="TraceException">Nothing was added.</exception>
    public LoadPlan ToLoad(string file, string name, params IEnumerable<string> notes)
    {
        if (_count == 0)
        {
            throw new TraceException(file, "It has no rows; at least one invocation is needed.");
        }

        var endpoints = _entries.OrderBy(e => e.Key, StringComparer.Ordinal).Select(e =>
        {
            var arrivals = e.Value.Arrivals.OrderBy(a => a.At).ToArray();
            return new EndpointLoad(e.Key, e.Value.MemoryMib, _ => new RecordedArrivals(arrivals));
        });
        return new LoadPlan(name, _end, _count, [.. endpoints], [.. notes]);
    }

    private sealed class Entry
    {
        public List<Arrival> Arrivals { get; } = [];

        public int? MemoryMib { get; set; }
    }
}
