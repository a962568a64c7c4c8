using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Pipelines;

internal static class PipelinesRegistration
{
    /// <summary>Pipelines. Needs the gateway and the queue's attempts. Nothing of it is made before one is called.</summary>
    public static IServiceCollection AddPipelines(this IServiceCollection services) => services
        .AddSingleton<PipelineRunner>()
        .AddSingleton(provider => new Lazy<PipelineRunner>(provider.GetRequiredService<PipelineRunner>))
        .AddSingleton<PipelineGateway>()
        .AddSingleton(provider => new Lazy<PipelineGateway>(provider.GetRequiredService<PipelineGateway>))
        .AddSingleton<PipelineReceipts>()
        .AddSingleton(provider => new Lazy<PipelineReceipts>(provider.GetRequiredService<PipelineReceipts>))
        .AddSingleton<StepCaller>()
        .AddSingleton<PipelineCheck>();
}
