using Dormouse.Core.Usage;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Overflow;
using Dormouse.Server.Rollouts;
using Dormouse.Server.Usage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Gateway;

internal static class GatewayRegistration
{
    /// <summary>
    /// The data plane and the dispatch below it. Needs from elsewhere: settings, access, routing, catalogue, journal, ledger, price book, blobs, derived files,
    /// the instance driver, metrics, <see cref="TimeProvider"/>, <see cref="Random"/> and the id source.
    /// </summary>
    public static IServiceCollection AddGateway(this IServiceCollection services)
    {
        services.TryAddSingleton(provider => GatewaySettings.From(provider.GetRequiredService<ServerSettings>()));
        services.AddDispatch();
        services.AddHttpForwarder();
        // The forwarder writes two lines a request at Information.
        services.AddLogging(logging => logging.AddFilter("Yarp", LogLevel.Error));
        services.AddSingleton<RevisionStatistics>();
        services.AddSingleton<CanaryWatches>();
        services.AddSingleton<InvocationCounts>();
        services.AddSingleton<InvocationRecorder>();
        services.AddSingleton(provider => new InstanceConnections(
            provider.GetRequiredService<DispatchEvents>(), provider.GetRequiredService<DispatchService>().IsThere));
        services.AddOverflow();
        services.AddSingleton<InvocationRunner>();
        services.AddSingleton<RevisionResolver>();
        services.AddSingleton<ModelViews>();
        services.AddSingleton<Repository>();
        services.AddSingleton<HttpExchangeParts>();
        services.AddSingleton(provider => new ServerIdentity(provider.GetRequiredService<IInvocationJournal>().ServerId));
        services.AddSingleton<InvocationParts>();
        services.AddSingleton<BackgroundTasks>();
        services.AddSingleton<MirrorCopies>();
        services.AddSingleton<InvocationPipeline>();
        services.AddSingleton<V2Routes>();
        services.AddSingleton<InvokeRoutes>();
        services.AddSingleton<ReceiptReader>();
        services.AddHostedService<GatewayLifetime>();
        return services;
    }

    /// <summary>The routes of the data plane, for the default tenant and under <c>/t/{tenant}</c>.</summary>
    public static void MapGateway(this IEndpointRouteBuilder app)
    {
        List<IEndpointConventionBuilder> mapped = [];
        var settings = app.ServiceProvider.GetRequiredService<GatewaySettings>();
        foreach (var prefix in (string[])["", "/t/{tenant}"])
        {
            app.ServiceProvider.GetRequiredService<V2Routes>().Map(app, prefix, mapped);
            app.ServiceProvider.GetRequiredService<InvokeRoutes>().Map(app, prefix, mapped);
        }

        foreach (var route in mapped)
        {
            route.WithMetadata(new BodyLimit(settings.BodyLimitBytes));
        }
    }
}

/// <summary>Tells routing, and through it Kestrel, how large a body an address takes.</summary>
internal sealed record BodyLimit(long? MaxRequestBodySize) : IRequestSizeLimitMetadata;
