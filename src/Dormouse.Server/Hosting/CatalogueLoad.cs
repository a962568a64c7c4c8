using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Server.Routing;

namespace Dormouse.Server.Hosting;

/// <summary>Reads the catalogue into routing at start, one endpoint after another.</summary>
internal static class CatalogueLoad
{
    /// <returns>Routes of endpoints that keep instances without traffic: to be started once the driver is open.</returns>
    public static async Task<ImmutableArray<EndpointRoute>> ReadAsync(ICatalogue catalogue, RoutingTable routing, CancellationToken cancellationToken)
    {
        var routes = new List<EndpointRoute>();
        var warm = ImmutableArray.CreateBuilder<EndpointRoute>();
        await foreach (var entry in catalogue.ReadAllAsync(cancellationToken))
        {
            var route = EndpointRoute.Of(entry);
            routes.Add(route);
            if (!entry.Endpoint.IsUnloaded && (route.Revisions.Any(r => r.Spec.KeepsInstances) || !route.Standby.IsEmpty))
            {
                warm.Add(route);
            }
        }

        routing.Load(routes);
        return warm.ToImmutable();
    }
}
