using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Deploying;
using Dormouse.Server.Routing;

namespace Dormouse.Server.Gateway;

/// <summary>The protocol's load and unload: a persisted flag, and what follows from it for routing and instances.</summary>
internal sealed class Repository(EndpointChanges changes, ProvisionedRoom room)
{
    /// <summary>Invocations are served again; instances start when they come, or at once when some are to be kept. Null when it is done, else why not.</summary>
    public async Task<Problem?> LoadAsync(EndpointRoute route, CancellationToken cancellationToken) =>
        route.Endpoint.IsUnloaded && room.Refusal(route.Endpoint, route.Revisions, isLoading: true) is { } refusal
            ? new Problem(ProblemCode.SpecInvalid, refusal)
            : await SetAsync(route, isUnloaded: false, cancellationToken);

    /// <summary>Invocations are refused from now on; what waits and runs is finished, then nothing is left running. Null when it is done, else why not.</summary>
    public Task<Problem?> UnloadAsync(EndpointRoute route, CancellationToken cancellationToken) => SetAsync(route, isUnloaded: true, cancellationToken);

    private async Task<Problem?> SetAsync(EndpointRoute route, bool isUnloaded, CancellationToken cancellationToken) =>
        await changes.SetUnloadedAsync(route.Endpoint.Id, isUnloaded, cancellationToken) is null ? Problem.EndpointNotFound(route.Endpoint.Name) : null;
}
