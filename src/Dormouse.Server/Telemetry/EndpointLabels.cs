using System.Collections.Concurrent;
using Dormouse.Server.Routing;

namespace Dormouse.Server.Telemetry;

/// <summary>
/// Endpoint names as a metric attribute: the first <see cref="NamesMax"/> that are seen by name, the rest as <c>_other</c>, so that a scrape stays small.
/// A deleted endpoint frees its place when the next name asks for one; until then its label stays, since its last runs may still end.
/// </summary>
internal sealed class EndpointLabels(RoutingTable routes)
{
    public const int NamesMax = 200;
    public const string Other = "_other";

    private readonly ConcurrentDictionary<string, string> _labels = new(StringComparer.Ordinal);
    private readonly Lock _granting = new();
    private bool _isFull;
    private long _removalsSeen;

    public string Of(string name)
    {
        if (_labels.TryGetValue(name, out var label))
        {
            return label;
        }

        // Invocations of the endpoints above the limit come here each time: no lock for them.
        if (Volatile.Read(ref _isFull) && routes.Removals == Volatile.Read(ref _removalsSeen))
        {
            return Other;
        }

        lock (_granting)
        {
            return GrantLocked(name);
        }
    }

    private string GrantLocked(string name)
    {
        if (_isFull)
        {
            FreeDeletedLocked();
        }

        if (_labels.Count < NamesMax)
        {
            _labels[name] = name;
        }

        Volatile.Write(ref _isFull, _labels.Count >= NamesMax);
        return _labels.GetValueOrDefault(name, Other);
    }

    private void FreeDeletedLocked()
    {
        // Before the names are read: a removal that comes between is seen the next time.
        Volatile.Write(ref _removalsSeen, routes.Removals);
        var names = routes.Names();
        foreach (var name in _labels.Keys)
        {
            if (!names.Contains(name))
            {
                _labels.TryRemove(name, out _);
            }
        }
    }
}
