using Dormouse.Core.Instances;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Dormouse.Server.Dispatch;

internal static class DispatchRegistration
{
    /// <summary>The engines' driver and what it is made of. Needs <see cref="TimeProvider"/>, <see cref="IInstanceDriver"/> and the blob store.</summary>
    public static IServiceCollection AddDispatch(this IServiceCollection services)
    {
        services.AddSingleton<IValidateOptions<DispatchOptions>, DispatchOptionsValidator>();
        services.AddOptions<DispatchOptions>().BindConfiguration(DispatchOptions.Section).ValidateOnStart();
        services.AddSingleton<MonotonicClock>();
        services.AddSingleton<TimerWheel>();
        services.AddSingleton<ScalingLog>();
        services.AddSingleton(provider => new MachineBudget(provider.GetRequiredService<IOptions<DispatchOptions>>()));
        services.AddSingleton<OptimisedFiles>();
        services.AddSingleton<InstanceStarter>();
        services.AddSingleton<DispatchService>();
        services.AddSingleton<IInstanceObserver>(provider => provider.GetRequiredService<DispatchService>());
        return services;
    }
}
