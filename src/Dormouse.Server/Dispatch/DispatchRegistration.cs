using Dormouse.Core.Instances;
using Dormouse.Server.Floors;
using Dormouse.Server.Gateway;
using Dormouse.Server.Prefetch;
using Dormouse.Server.Usage;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Dispatch;

internal static class DispatchRegistration
{
    /// <summary>The engines' driver and what it is made of. Needs <see cref="TimeProvider"/>, <see cref="IInstanceDriver"/>, blobs, derived files, the journal, the price book and the id source.</summary>
    public static IServiceCollection AddDispatch(this IServiceCollection services)
    {
        services.AddSingleton<MonotonicClock>();
        services.AddSingleton<TimerWheel>();
        services.AddSingleton<ScalingLog>();
        services.AddSingleton<DispatchEvents>();
        services.AddSingleton(provider =>
        {
            var settings = provider.GetRequiredService<GatewaySettings>();
            return new MachineBudget(settings.Limits, provider.GetRequiredService<MonotonicClock>(), provider.GetRequiredService<TimerWheel>());
        });
        services.AddSingleton<DispatchMachine>();
        services.AddSingleton<OptimisedFiles>();
        services.AddSingleton<InstanceStarter>();
        services.AddSingleton<ProvisionedAccounts>();
        services.AddSingleton<FloorClock>();
        services.AddSingleton(provider =>
        {
            var dispatch = ActivatorUtilities.CreateInstance<DispatchService>(provider);
            provider.GetRequiredService<FloorClock>().Changed += dispatch.FloorChanged;
            provider.GetRequiredService<MachineBudget>().Opened += dispatch.MachineOpened;
            provider.ConnectPrefetch();
            return dispatch;
        });
        services.AddSingleton<IInstanceObserver>(provider => provider.GetRequiredService<DispatchService>());
        return services;
    }
}
