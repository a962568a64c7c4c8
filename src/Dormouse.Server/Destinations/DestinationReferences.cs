using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Errors;
using Dormouse.Server.Gateway;
using Dormouse.Server.Routing;

namespace Dormouse.Server.Destinations;

/// <summary>Looks whether what is named as the goal of outcomes is there.</summary>
internal sealed class DestinationReferences(IDestinationStore store, RoutingTable routes, DeliveryLoop loop)
{
    public const string Form = "the name of a destination, 'endpoint:' and the name of an endpoint, or 'none'";

    /// <summary>Null when both are nowhere, or something that is there; from then on deliveries are looked for.</summary>
    public async ValueTask<Problem?> RefusalAsync(TenantId tenant, string? onSuccess, string? onFailure, CancellationToken cancellationToken)
    {
        if (onSuccess is null && onFailure is null)
        {
            return null;
        }

        foreach (var reference in (string?[])[onSuccess, onFailure])
        {
            if (reference is not (null or Destination.None) && await RefusalAsync(tenant, reference, cancellationToken) is { } refusal)
            {
                return refusal;
            }
        }

        loop.Use();
        return null;
    }

    private async ValueTask<Problem?> RefusalAsync(TenantId tenant, string reference, CancellationToken cancellationToken)
    {
        if (Destination.ReferenceRefusal(reference) is { } refusal)
        {
            return new Problem(ProblemCode.SpecInvalid, $"'{UrlText.Shown(reference)}' is no goal of outcomes: allowed is {Form}. {refusal}");
        }

        if (Destination.EndpointOf(reference) is { } endpoint)
        {
            return routes.Find(tenant, endpoint) is null
                ? new Problem(ProblemCode.EndpointNotFound, $"Outcomes are to go to endpoint '{endpoint}', and there is none of that name.")
                : null;
        }

        return await store.FindAsync(tenant, reference, cancellationToken) is null
            ? new Problem(ProblemCode.DestinationNotFound, $"There is no destination '{reference}'. 'dormouse destination list' shows those that there are; another endpoint is written endpoint:{reference}.")
            : null;
    }
}
