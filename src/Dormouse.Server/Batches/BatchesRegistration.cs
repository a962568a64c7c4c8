using Dormouse.Server.Batches.Inputs;
using Dormouse.Server.Hosting.Settings;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Batches;

internal static class BatchesRegistration
{
    /// <summary>Batch jobs. Needs the queue and the store of jobs.</summary>
    public static IServiceCollection AddBatches(this IServiceCollection services, ServerSettings settings) => services
        .AddSingleton(settings.Batches)
        .AddSingleton(new ResultsFolder(settings.BatchesFolder))
        .AddSingleton<ServerPaths>()
        .AddSingleton<BucketInputs>()
        .AddSingleton<BatchInputs>()
        .AddSingleton<BatchParts>()
        .AddSingleton<BatchLoop>()
        .AddSingleton<BatchesApi>();
}
