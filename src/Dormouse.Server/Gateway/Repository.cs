using Dormouse.Server.Control;
using Dormouse.Server.Routing;

namespace Dormouse.Server.Gateway;

/// <summary>The protocol's load and unload: a persisted flag, and what follows from it for routing and instances.</summary>
internal sealed class Repository(EndpointChanges changes)
{
    /// <summary>Invocations are served again; instances start when they come, or at once when some are to be kept. False when the endpoint is gone.</summary>
    public async Task<bool> LoadAsync(EndpointRoute route, CancellationToken cancellationToken) =>
        await changes.SetUnloadedAsync(route.Endpoint.Id, isUnloaded: false, cancellationToken) is not null;

    /// <summary>Invocations are refused from now on; what waits and runs is finished, then nothing is left running. False when the endpoint is gone.</summary>
    public async Task<bool> UnloadAsync(EndpointRoute route, CancellationToken cancellationToken) =>
        await changes.SetUnloadedAsync(route.Endpoint.Id, isUnloaded: true, cancellationToken) is not null;
}
