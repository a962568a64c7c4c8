using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Routing;

namespace Dormouse.Server.Queues;

/// <param name="Capacity">Items that may run or wait for a slot at once.</param>
/// <param name="TakenMax">Items that may be taken at once, those whose outcome is being stored included.</param>
/// <param name="Rate">Items a second; null = any.</param>
internal readonly record struct TakingBounds(int Capacity, int TakenMax, double? Rate);

/// <summary>How many items of each endpoint this server may take: what its instances could run, and what its settings allow. Used by the queue's loop alone, but for <see cref="Bounds"/>.</summary>
internal sealed class AsyncLimits(RoutingTable routes, DispatchService dispatch, TimeProvider time)
{
    private readonly Dictionary<EndpointId, (AsyncAllowance Allowance, long At)> _rates = [];

    public LeaseDemand Demand(TenantId tenant, EndpointId endpoint, long queued, HeldCount held)
    {
        var bounds = Bounds(tenant, endpoint);
        var capacity = Math.Min(bounds.Capacity, Math.Max(0, bounds.TakenMax - held.Storing));
        return new LeaseDemand(endpoint, queued, held.Running, capacity, bounds.Rate is { } rate ? Allowance(endpoint, rate).Whole : int.MaxValue, PaidIdle(Route(tenant, endpoint)));
    }

    /// <summary>
    /// Runs at once of all its instances, and one instance's more that wait for the next free slot, so that none is idle while the store is asked; none while it is unloaded or no
    /// revision carries traffic. The newest revision with traffic says what is allowed. For any thread.
    /// </summary>
    public TakingBounds Bounds(TenantId tenant, EndpointId endpoint)
    {
        var route = Route(tenant, endpoint);
        var capacity = route is null || route.Endpoint.IsUnloaded ? 0 : route.Revisions.Sum(r => r.Spec.Kind.HasInstances ? r.Spec.SoftSlots * (r.Spec.MaxInstances + 1) : r.Spec.Concurrency);
        var spec = Spec(route);
        return new TakingBounds(capacity, spec?.AsyncConcurrency ?? int.MaxValue, spec?.AsyncRate);
    }

    /// <summary>Free slots of its provisioned instances, without those that somebody waits for already.</summary>
    private int PaidIdle(EndpointRoute? route) => route is null || !route.Revisions.Any(r => r.Spec.Provisioned > 0) ? 0
        : dispatch.Samples(route.Endpoint.Id).Sum(s => Math.Max(0, s.Sample.Instances.Where(i => i.IsProvisioned).Sum(i => Math.Max(0, s.Sample.Slots - i.Running)) - s.Sample.Queued));

    /// <summary>An item of it was taken.</summary>
    public void Taken(EndpointId endpoint)
    {
        if (_rates.TryGetValue(endpoint, out var known))
        {
            _rates[endpoint] = known with { Allowance = known.Allowance.Less(1) };
        }
    }

    /// <summary>How long until one of these may be taken that may not now for its rate; null = none waits for that.</summary>
    public TimeSpan? Wait(IEnumerable<(TenantId Tenant, EndpointId Endpoint)> waiting)
    {
        TimeSpan? least = null;
        foreach (var (tenant, endpoint) in waiting)
        {
            if (_rates.ContainsKey(endpoint) && Spec(Route(tenant, endpoint))?.AsyncRate is { } rate
                && Allowance(endpoint, rate).Wait(rate) is var wait && wait > TimeSpan.Zero && (least is null || wait < least))
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
