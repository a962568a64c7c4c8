using Dormouse.Server.Gateway;
using Grpc.AspNetCore.Server;
using Grpc.AspNetCore.Server.Model;
using Grpc.Health.V1;
using Grpc.HealthCheck;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Dormouse.Server.Grpc;

internal static class GrpcRegistration
{
    /// <summary>The gRPC side of the data plane; needs <see cref="GatewayRegistration.AddGateway"/>.</summary>
    public static IServiceCollection AddGrpcGateway(this IServiceCollection services)
    {
        services.AddGrpc();
        services.AddSingleton<IConfigureOptions<GrpcServiceOptions>>(provider => new ConfigureOptions<GrpcServiceOptions>(options =>
        {
            options.MaxReceiveMessageSize = (int)Math.Min(provider.GetRequiredService<GatewaySettings>().BodyLimitBytes, int.MaxValue);
            options.MaxSendMessageSize = null;
        }));
        // Every refusal would be a line at Information.
        services.AddLogging(logging => logging.AddFilter("Grpc", LogLevel.Warning));
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IServiceMethodProvider<InferenceService>, InferenceMethods>());
        services.AddSingleton<GrpcInvocations>();
        services.AddSingleton<InferenceService>();
        services.AddSingleton<HealthServiceImpl>();
        services.AddSingleton<CallGuard>();
        services.AddSingleton(provider => MessageMemory.For(
            GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, Math.Min(provider.GetRequiredService<GatewaySettings>().BodyLimitBytes, int.MaxValue) + 1024));
        return services;
    }

    /// <summary><c>inference.GRPCInferenceService</c> and <c>grpc.health.v1.Health</c>.</summary>
    public static void MapGrpcGateway(this IEndpointRouteBuilder app)
    {
        var settings = app.ServiceProvider.GetRequiredService<GatewaySettings>();
        var health = app.ServiceProvider.GetRequiredService<HealthServiceImpl>();
        health.SetStatus("", HealthCheckResponse.Types.ServingStatus.Serving);
        health.SetStatus(InferenceMethods.ServiceName, HealthCheckResponse.Types.ServingStatus.Serving);
        app.ServiceProvider.GetRequiredService<InvocationRunner>().Stopping += () =>
        {
            health.SetStatus("", HealthCheckResponse.Types.ServingStatus.NotServing);
            health.SetStatus(InferenceMethods.ServiceName, HealthCheckResponse.Types.ServingStatus.NotServing);
        };

        var guard = app.ServiceProvider.GetRequiredService<CallGuard>();
        // A message has a few bytes of framing beside it.
        guard.Watch(app.MapGrpcService<InferenceService>().WithMetadata(new BodyLimit(settings.BodyLimitBytes + 1024)));
        guard.Watch(app.MapGrpcService<HealthServiceImpl>());
    }
}
