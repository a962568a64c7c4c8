using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Errors;
using Dormouse.Server.Routing;

namespace Dormouse.Server.Usage;

/// <summary>An endpoint to report on; null = all of the tenant's.</summary>
internal sealed record EndpointFilter(EndpointId? Endpoint);

/// <summary>Between the names that people use and the ids that receipts follow. A name means the endpoint that has it now; a deleted one is asked for by its id.</summary>
internal sealed class EndpointNames(ICatalogue catalogue, ILedger ledger, RoutingTable routes)
{
    /// <summary>Shown for an endpoint that left no trace but receipts.</summary>
    private const string Unknown = "(unknown)";

    /// <summary>Null after <c>endpoint_not_found</c> was written.</summary>
    public async Task<EndpointFilter?> ResolveAsync(ControlCall call, string? endpoint)
    {
        if (endpoint is null)
        {
            return new EndpointFilter(null);
        }

        if (Guid.TryParseExact(endpoint, "D", out var id))
        {
            return new EndpointFilter(new EndpointId(id));
        }

        if (EndpointName.Refusal(endpoint) is null && await catalogue.FindAsync(call.Tenant, endpoint, call.Cancellation) is { } found)
        {
            return new EndpointFilter(found.Id);
        }

        await Problems.WriteAsync(
            call.Http, ProblemCode.EndpointNotFound, "There is no endpoint with this name. One that was deleted is asked for by its id (see the usage of all endpoints).");
        return null;
    }

    /// <summary>Of an endpoint that is there now without asking the store.</summary>
    public async ValueTask<string> FindAsync(EndpointId endpoint, CancellationToken cancellationToken) =>
        routes.NameOf(endpoint) ?? await ledger.EndpointNameAsync(endpoint, cancellationToken) ?? Unknown;

    public async Task<Dictionary<EndpointId, string>> FindAsync(IEnumerable<EndpointId> endpoints, CancellationToken cancellationToken)
    {
        var names = new Dictionary<EndpointId, string>();
        foreach (var endpoint in endpoints.Distinct())
        {
            names[endpoint] = await FindAsync(endpoint, cancellationToken);
        }

        return names;
    }
}
