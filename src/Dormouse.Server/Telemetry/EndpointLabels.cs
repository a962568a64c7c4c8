using System.Collections.Concurrent;

namespace Dormouse.Server.Telemetry;

/// <summary>
/// Endpoint names as a metric attribute: the first <see cref="NamesMax"/> that are seen by name, the rest as <c>_other</c>, so that a scrape stays small.
/// A name keeps its label for the life of the process, since increment and decrement must agree.
/// </summary>
internal sealed class EndpointLabels
{
    public const int NamesMax = 200;
    public const string Other = "_other";

    private readonly ConcurrentDictionary<string, string> _labels = new(StringComparer.Ordinal);
    private int _count;

    public string Of(string name)
    {
        if (_labels.TryGetValue(name, out var label))
        {
            return label;
        }

        if (Volatile.Read(ref _count) >= NamesMax || Interlocked.Increment(ref _count) > NamesMax)
        {
            return Other;
        }

        return _labels.GetOrAdd(name, name);
    }
}
