using System.Net;
using Dormouse.Server.Hosting.Settings;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Dormouse.Server.Destinations;

internal static class DestinationsRegistration
{
    /// <summary>Outcomes of asynchronous invocations on their way to others. Needs the queue and the store of destinations.</summary>
    public static IServiceCollection AddDestinations(this IServiceCollection services, DestinationsSettings settings)
    {
        services.TryAddSingleton<HostLookup>(Dns.GetHostAddressesAsync);
        return services
            .AddSingleton(settings)
            .AddSingleton<AddressGuard>()
            .AddSingleton<WebhookSender>()
            .AddSingleton<BrokerSender>()
            .AddSingleton<DeliveryAttempt>()
            .AddSingleton<DeliveryLoop>()
            .AddSingleton<DestinationReferences>()
            .AddSingleton<DestinationsApi>()
            .AddSingleton<DeliveriesApi>();
    }
}
