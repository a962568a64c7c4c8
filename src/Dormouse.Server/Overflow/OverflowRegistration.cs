using Dormouse.Server.Hosting.Settings;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Overflow;

internal static class OverflowRegistration
{
    /// <summary>Sending invocations elsewhere when there is no capacity here. Needs dispatch, the recorder, logs and metrics.</summary>
    public static IServiceCollection AddOverflow(this IServiceCollection services) => services
        .AddSingleton(provider => new OverflowKeys(Path.Combine(provider.GetRequiredService<ServerSettings>().Server.DataFolder, OverflowKeys.FolderName)))
        .AddSingleton<OverflowLanes>()
        .AddSingleton<OverflowParts>()
        .AddSingleton<OverflowSender>()
        .AddSingleton<OverflowCheck>()
        .AddSingleton<OverflowHosts>();
}
