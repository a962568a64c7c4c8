using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Telemetry;

internal static class TelemetrySetup
{
    public static IServiceCollection AddTelemetry(this IServiceCollection services) => services
        .AddMetrics()
        .AddSingleton<EndpointLabels>()
        .AddSingleton<InvocationMetrics>()
        .AddSingleton<InstanceMetrics>()
        .AddSingleton<ScalingMetrics>()
        .AddSingleton<PrefetchMetrics>()
        .AddSingleton<BillingMetrics>()
        .AddSingleton<OverflowMetrics>()
        .AddSingleton<MirrorMetrics>()
        .AddSingleton<QueueMetrics>()
        .AddSingleton<DeliveryMetrics>()
        .AddSingleton<TriggerMetrics>()
        .AddSingleton<BatchMetrics>()
        .AddSingleton<ConnectionMetrics>()
        .AddSingleton<MetricsExport>();
}
