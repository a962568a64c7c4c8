using System.Collections.Immutable;
using Dormouse.Core.Destinations;
using Dormouse.Protocol.Control;

namespace Dormouse.Server.Destinations;

/// <summary>From destinations and deliveries to the API's.</summary>
internal static class DestinationViews
{
    public static DestinationInfo Info(Destination destination, DateTimeOffset now, ImmutableArray<string> endpoints) => new()
    {
        Name = destination.Name,
        Url = destination.Url,
        Form = Words.Of(destination.Form),
        OldSecretUntil = destination.OldSecretUntil > now ? destination.OldSecretUntil : null,
        DisabledReason = destination.DisabledReason,
        Endpoints = endpoints,
        CreatedAt = destination.CreatedAt,
    };

    public static DeliveryInfo Info(Delivery delivery) => new()
    {
        Id = delivery.Id,
        Number = delivery.Number,
        InvocationId = delivery.Invocation.ToString(),
        To = delivery.To,
        Outcome = Words.Of(delivery.Outcome),
        State = Words.Of(delivery.State),
        Attempts = delivery.Attempts,
        Status = delivery.Status,
        Reason = delivery.Reason,
        CreatedAt = delivery.CreatedAt,
        NextAt = delivery.State == DeliveryState.Pending ? delivery.NextAt : null,
        EndedAt = delivery.EndedAt,
    };
}
