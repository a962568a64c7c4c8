using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Server.Access;
using Dormouse.Server.Deploying;
using Dormouse.Server.Environments;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Logs;
using Dormouse.Server.Overflow;
using Dormouse.Server.Rollouts;
using Dormouse.Server.Routing;
using Dormouse.Server.Secrets;
using Dormouse.Server.Sharing;
using Dormouse.Server.Uploads;
using Dormouse.Server.Usage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Control;

internal static class ControlSetup
{
    /// <summary>Control plane and deploying. Needs the stores, the driver, the inspector, dispatch and access.</summary>
    public static IServiceCollection AddControl(this IServiceCollection services, ServerSettings settings) => services
        .AddSingleton(settings)
        .AddSingleton(settings.Verify)
        .AddSingleton(settings.Uploads)
        .AddSingleton(settings.Prices.Book)
        .AddSingleton<RoutingTable>()
        .AddSingleton(settings.Logs)
        .AddSingleton(services => new LogWriter(
            Path.Combine(settings.Server.DataFolder, "logs"), settings.Logs, services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<LogWriter>>()))
        .AddSingleton<LogStore>()
        .AddSingleton<EndpointChanges>()
        .AddSingleton<EndpointViews>()
        .AddSingleton<DrainWaits>()
        .AddSingleton<EndpointsApi>()
        .AddSingleton<FunctionDocuments>()
        .AddSingleton<TagsApi>()
        .AddSingleton<MirrorApi>()
        .AddSingleton<DeployApi>()
        .AddSingleton<LogsApi>()
        .AddSingleton<BlobsApi>()
        .AddSingleton<KeysApi>()
        .AddSingleton<EndpointNames>()
        .AddSingleton<UsageApi>()
        .AddSingleton<ReceiptsApi>()
        .AddSingleton<ArrivalsApi>()
        .AddSingleton<MachineApi>()
        .AddSingleton<Doctor>()
        .AddSingleton<OptimisedModels>()
        .AddSingleton<ModelInspections>()
        .AddSingleton(services => new ProvisionedRoom(services.GetRequiredService<RoutingTable>(), settings.Machine.MemoryMib))
        .AddSingleton<PackageCheck>()
        .AddSingleton(services => new FunctionNeeds(
            services.GetRequiredService<PackageCheck>(), services.GetRequiredService<ModelInspections>(), services.GetRequiredService<EnvironmentPlanner>(), services.GetRequiredService<IBlobStore>(), Machine(settings)))
        .AddSingleton<FunctionsApi>()
        .AddSingleton(services => new DeployCheck(
            services.GetRequiredService<PackageCheck>(), services.GetRequiredService<IBlobStore>(), services.GetRequiredService<ICatalogue>(), services.GetRequiredService<ProvisionedRoom>(), services.GetRequiredService<OverflowCheck>(),
            services.GetRequiredService<EnvironmentPlanner>(), services.GetRequiredService<SecretsOfRevisions>(), services.GetRequiredService<IInstanceDriver>(), services.GetRequiredService<PipelineDeploy>(), Machine(settings)))
        .AddSingleton<PipelineDeploy>()
        .AddSingleton<Deployer>()
        .AddSingleton<Verifier>()
        .AddSingleton<OptimiseQueue>()
        .AddSingleton<LoadedModels>()
        .AddSingleton<CanaryLoop>()
        .AddSingleton<HandoverWatches>()
        .AddSingleton<HandoverLoop>()
        .AddSingleton<UploadSweeper>()
        .AddSingleton<SharedChanges>();

    private static MachineFacts Machine(ServerSettings settings) => new(Math.Max(1, Environment.ProcessorCount), settings.Machine.MemoryMib) { ReservableCores = settings.Machine.Cpu };
}
