using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Server.Routing;

namespace Dormouse.Server.Queues;

/// <summary>How many items of each endpoint this server may take: what its instances could run, and what its settings allow. Used by the queue's loop alone.</summary>
internal sealed class AsyncLimits(RoutingTable routes, TimeProvider time)
{
    private readonly Dictionary<EndpointId, (AsyncAllowance Allowance, long At)> _rates = [];

    /// <summary>
    /// Runs at once of all its instances, and one instance's more that wait for the next free slot, so that none is idle while the store is asked; none while it is unloaded or no
    /// revision carries traffic. The newest revision with traffic says what is allowed.
    /// </summary>
    public LeaseDemand Demand(QueueDepth depth, int inFlight)
    {
        var route = Route(depth.Tenant, depth.Endpoint);
        var capacity = route is null || route.Endpoint.IsUnloaded ? 0 : route.Revisions.Sum(r => r.Spec.Slots * (r.Spec.MaxInstances + 1));
        var spec = Spec(route);
        return new LeaseDemand(depth.Endpoint, depth.Queued, inFlight, Math.Min(capacity, spec?.AsyncConcurrency ?? int.MaxValue), spec?.AsyncRate is { } rate ? Allowance(depth.Endpoint, rate).Whole : int.MaxValue);
    }

    /// <summary>An item of it was taken.</summary>
    public void Taken(EndpointId endpoint)
    {
        if (_rates.TryGetValue(endpoint, out var known))
        {
            _rates[endpoint] = known with { Allowance = known.Allowance.Less(1) };
        }
    }

    /// <summary>How long until one of these may be taken that may not now for its rate; null = none waits for that.</summary>
    public TimeSpan? Wait(IEnumerable<QueueDepth> depths)
    {
        TimeSpan? least = null;
        foreach (var depth in depths)
        {
            if (_rates.ContainsKey(depth.Endpoint) && Spec(Route(depth.Tenant, depth.Endpoint))?.AsyncRate is { } rate
                && Allowance(depth.Endpoint, rate).Wait(rate) is var wait && wait > TimeSpan.Zero && (least is null || wait < least))
            {
                least = wait;
            }
        }

        return least;
    }

    private AsyncAllowance Allowance(EndpointId endpoint, double rate)
    {
        var now = time.GetTimestamp();
        var allowance = _rates.TryGetValue(endpoint, out var known) ? known.Allowance.After(time.GetElapsedTime(known.At, now), rate) : AsyncAllowance.Full(rate);
        _rates[endpoint] = (allowance, now);
        return allowance;
    }

    private EndpointRoute? Route(TenantId tenant, EndpointId endpoint) => routes.NameOf(endpoint) is { } name ? routes.Find(tenant, name) : null;

    private static RevisionSpec? Spec(EndpointRoute? route) => route is { Revisions.IsEmpty: false } ? route.Revisions[^1].Spec : null;
}
