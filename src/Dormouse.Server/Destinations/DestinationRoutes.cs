using System.Collections.Immutable;
using Dormouse.Protocol.Control;
using Dormouse.Server.Control;

namespace Dormouse.Server.Destinations;

/// <summary>The part of the control plane's table of contents that is about outcomes.</summary>
internal static class DestinationRoutes
{
    public static ImmutableArray<ControlRoute> All(DestinationsApi api, DeliveriesApi deliveries) =>
    [
        ControlRoutes.Get("/destinations", "listDestinations", "Addresses that outcomes of asynchronous invocations are sent to", typeof(DestinationList), api.ListAsync),
        ControlRoutes.Send("POST", "/destinations", "createDestination", "Make one; the answer shows its secret this once", typeof(CreateDestinationRequest), typeof(DestinationInfo), api.CreateAsync) with { Status = 201 },
        ControlRoutes.Get("/destinations/{name}", "getDestination", "One destination", typeof(DestinationInfo), api.GetAsync),
        ControlRoutes.Send("POST", "/destinations/{name}/rotate", "rotateSecret", "Sign with a new secret, for a while with the old one as well", typeof(RotateRequest), typeof(DestinationInfo), api.RotateAsync),
        ControlRoutes.Send("POST", "/destinations/{name}/enable", "enableDestination", "Send to it again after it answered 410", null, typeof(DestinationInfo), api.EnableAsync),
        ControlRoutes.Send("DELETE", "/destinations/{name}", "deleteDestination", "Delete it; what is on its way to it is dead", null, null, api.DeleteAsync) with { Status = 204 },
        ControlRoutes.Send("PUT", "/endpoints/{name}/destinations", "setDestinations", "Say where outcomes of its asynchronous invocations go", typeof(DestinationsRequest), typeof(EndpointInfo), api.PutUseAsync),
        ControlRoutes.Get("/deliveries", "listDeliveries", "Outcomes on their way to destinations, newest first", typeof(DeliveryList), deliveries.ListAsync) with
        {
            Query =
            [
                new QueryParameter("to", "string", "Only those to this destination, or to endpoint:NAME."),
                new QueryParameter("state", "string", "pending, delivered or dead. Default: all."),
                new QueryParameter("limit", "integer", "Most deliveries, 1 to 1,000. Default 100."),
                new QueryParameter("page_token", "string", "next_page_token of the page before. Default: the first page."),
            ],
        },
        ControlRoutes.Send("POST", "/deliveries/redrive", "redriveDeliveries", "Begin dead deliveries anew, the oldest first", typeof(RedriveDeliveriesRequest), typeof(RedriveAnswer), deliveries.RedriveAsync),
    ];
}
