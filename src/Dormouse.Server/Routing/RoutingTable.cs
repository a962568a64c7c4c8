using System.Collections.Concurrent;
using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;

namespace Dormouse.Server.Routing;

/// <summary>An endpoint as the gateway needs it: immutable, taken once per request.</summary>
/// <param name="Endpoint">The endpoint; its traffic is never empty when <paramref name="Revisions"/> is not.</param>
/// <param name="Revisions">Revisions that carry traffic, in order of number.</param>
public sealed record EndpointRoute(Endpoint Endpoint, ImmutableArray<Revision> Revisions)
{
    /// <summary>Revisions without traffic of which a handover keeps instances.</summary>
    public ImmutableArray<Revision> Standby { get; init; } = [];

    /// <summary>The route of a catalogue entry: those of its revisions that carry traffic, or are to.</summary>
    public static EndpointRoute Of(CatalogueEntry entry)
    {
        ImmutableArray<Revision> carrying = [.. entry.Revisions.Where(r => entry.Endpoint.Traffic.Any(t => t.Revision == r.Id.Number)).OrderBy(r => r.Id.Number)];
        var standby = HandoverFlow.Revisions(entry.Endpoint);
        return new EndpointRoute(entry.Endpoint, carrying)
        {
            Standby = standby.IsEmpty ? [] : [.. entry.Revisions.Where(r => standby.Contains(r.Id.Number)).Except(carrying)],
        };
    }

    /// <summary>Chooses by weight with a number drawn by the caller.</summary>
    /// <param name="draw">0 to 99.</param>
    /// <returns>Null when no revision carries traffic.</returns>
    public Revision? Choose(int draw)
    {
        foreach (var share in Endpoint.Traffic)
        {
            draw -= share.Weight;
            if (draw < 0)
            {
                return Revisions.FirstOrDefault(r => r.Id.Number == share.Revision);
            }
        }

        return null;
    }
}

/// <summary>
/// Name → route of every endpoint. Readers take an immutable snapshot without a lock; the one writer (control plane) swaps it whole.
/// </summary>
public sealed class RoutingTable
{
    private readonly Lock _writing = new();
    private readonly ConcurrentDictionary<EndpointId, string> _names = new();
    private ImmutableDictionary<(TenantId Tenant, string Name), EndpointRoute> _routes =
        ImmutableDictionary<(TenantId, string), EndpointRoute>.Empty;
    private readonly ConcurrentDictionary<TenantId, int> _publicCounts = new();
    private long _removals;

    /// <summary>How many endpoints have been removed so far: a change of it says that a name may be gone.</summary>
    public long Removals => Volatile.Read(ref _removals);

    public EndpointRoute? Find(TenantId tenant, string name) =>
        Volatile.Read(ref _routes).GetValueOrDefault((tenant, name));

    /// <summary>By id, looking at all of them; null when it is gone.</summary>
    public Endpoint? Find(EndpointId endpoint) => _names.ContainsKey(endpoint) ? Endpoints().FirstOrDefault(e => e.Id == endpoint) : null;

    /// <summary>Some endpoint of this tenant needs no key.</summary>
    public bool HasPublic(TenantId tenant) => _publicCounts.GetValueOrDefault(tenant) > 0;

    /// <summary>Name of an endpoint that has a route; null when it is gone.</summary>
    public string? NameOf(EndpointId endpoint) => _names.GetValueOrDefault(endpoint);

    /// <summary>Every name that an endpoint of some tenant has.</summary>
    public IReadOnlySet<string> Names() => Volatile.Read(ref _routes).Keys.Select(k => k.Name).ToHashSet(StringComparer.Ordinal);

    /// <summary>Every endpoint of every tenant.</summary>
    public IEnumerable<Endpoint> Endpoints() => Volatile.Read(ref _routes).Values.Select(r => r.Endpoint);

    /// <summary>Every route of every tenant.</summary>
    public IEnumerable<EndpointRoute> Routes() => Volatile.Read(ref _routes).Values;

    /// <summary>All routes of a tenant, in order of name.</summary>
    public IEnumerable<EndpointRoute> List(TenantId tenant) =>
        Volatile.Read(ref _routes).Values.Where(r => r.Endpoint.Tenant == tenant).OrderBy(r => r.Endpoint.Name, StringComparer.Ordinal);

    /// <summary>Replaces everything at start-up.</summary>
    public void Load(IEnumerable<EndpointRoute> routes)
    {
        var loaded = routes.ToImmutableDictionary(r => (r.Endpoint.Tenant, r.Endpoint.Name));
        lock (_writing)
        {
            _names.Clear();
            _publicCounts.Clear();
            foreach (var route in loaded.Values)
            {
                _names[route.Endpoint.Id] = route.Endpoint.Name;
                CountPublicLocked(route.Endpoint, 1);
            }

            Volatile.Write(ref _routes, loaded);
        }
    }

    public void Put(CatalogueEntry entry) => Put(EndpointRoute.Of(entry));

    public void Put(EndpointRoute route)
    {
        lock (_writing)
        {
            _names[route.Endpoint.Id] = route.Endpoint.Name;
            var key = (route.Endpoint.Tenant, route.Endpoint.Name);
            if (_routes.TryGetValue(key, out var before))
            {
                CountPublicLocked(before.Endpoint, -1);
                if (before.Endpoint.Id != route.Endpoint.Id)
                {
                    // Deleted and made anew by another server, which is heard of in one.
                    _names.TryRemove(before.Endpoint.Id, out _);
                    Volatile.Write(ref _removals, _removals + 1);
                }
            }

            CountPublicLocked(route.Endpoint, 1);
            Volatile.Write(ref _routes, _routes.SetItem(key, route));
        }
    }

    /// <summary>Removes this endpoint; a newer one that has taken its name stays.</summary>
    public void Remove(Endpoint endpoint)
    {
        lock (_writing)
        {
            var key = (endpoint.Tenant, endpoint.Name);
            if (_routes.TryGetValue(key, out var route) && route.Endpoint.Id == endpoint.Id)
            {
                _names.TryRemove(endpoint.Id, out _);
                CountPublicLocked(route.Endpoint, -1);
                Volatile.Write(ref _routes, _routes.Remove(key));
                Volatile.Write(ref _removals, _removals + 1);
            }
        }
    }

    private void CountPublicLocked(Endpoint endpoint, int change)
    {
        if (endpoint.IsPublic)
        {
            _publicCounts[endpoint.Tenant] = _publicCounts.GetValueOrDefault(endpoint.Tenant) + change;
        }
    }
}
