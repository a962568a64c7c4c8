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
        services.AddSingleton<QueuedMessages>();
        services.AddSingleton<GrpcInvocations>();
        services.AddSingleton<InferenceService>();
        services.AddSingleton<HealthServiceImpl>();
        services.AddSingleton<CallGuard>();
        services.AddSingleton(provider => MessageMemory.For(
            GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, Math.Min(provider.GetRequiredService<GatewaySettings>().BodyLimitBytes, int.MaxValue) + 1024));
        return services;
    }

    /// <summary><c>inference.GRPCInferenceService</c> and <c>grpc.health.v1.Health</c>. Asks for no store: they may still be opening.</summary>
    public static void MapGrpcGateway(this IEndpointRouteBuilder app)
    {
        var services = app.ServiceProvider;
        // A message has a few bytes of framing beside it.
        app.MapGrpcService<InferenceService>().WithMetadata(new BodyLimit(services.GetRequiredService<GatewaySettings>().BodyLimitBytes + 1024)).Add(Guarded);
        app.MapGrpcService<HealthServiceImpl>().Add(Guarded);
        void Guarded(EndpointBuilder call) => services.GetRequiredService<CallGuard>().Watch(call);
    }

    /// <summary>The health service says what the gateway is.</summary>
    public static void ConnectGrpcHealth(this IServiceProvider services)
    {
        var health = services.GetRequiredService<HealthServiceImpl>();
        Set(HealthCheckResponse.Types.ServingStatus.Serving);
        services.GetRequiredService<InvocationRunner>().Stopping += () => Set(HealthCheckResponse.Types.ServingStatus.NotServing);
        void Set(HealthCheckResponse.Types.ServingStatus status)
        {
            health.SetStatus("", status);
            health.SetStatus(InferenceMethods.ServiceName, status);
        }
    }
}
