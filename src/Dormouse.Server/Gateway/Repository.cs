using Dormouse.Core.Endpoints;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Routing;

namespace Dormouse.Server.Gateway;

/// <summary>The protocol's load and unload: a persisted flag, and what follows from it for routing and instances.</summary>
internal sealed class Repository(ICatalogue catalogue, RoutingTable routes, DispatchService dispatch)
{
    /// <summary>Invocations are served again; instances start when they come, or at once when some are to be kept. False when the endpoint is gone.</summary>
    public Task<bool> LoadAsync(EndpointRoute route, CancellationToken cancellationToken) => SetAsync(route, isUnloaded: false, cancellationToken);

    /// <summary>Invocations are refused from now on; what waits and runs is finished, then nothing is left running. False when the endpoint is gone.</summary>
    public Task<bool> UnloadAsync(EndpointRoute route, CancellationToken cancellationToken) => SetAsync(route, isUnloaded: true, cancellationToken);

    private async Task<bool> SetAsync(EndpointRoute route, bool isUnloaded, CancellationToken cancellationToken)
    {
        if (await catalogue.SetUnloadedAsync(route.Endpoint.Id, isUnloaded, cancellationToken) is not { } endpoint)
        {
            return false;
        }

        var current = routes.Find(endpoint.Tenant, endpoint.Name) ?? route;
        var changed = new EndpointRoute(endpoint, current.Revisions);
        routes.Put(changed);
        dispatch.TrafficChanged(endpoint, changed.Revisions);
        return true;
    }
}
