using Dormouse.Server.Hosting.Settings;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Environments;

internal static class EnvironmentsRegistration
{
    /// <summary>Python environments. Needs the stores and a builder.</summary>
    public static IServiceCollection AddEnvironments(this IServiceCollection services, ServerSettings settings) => services
        .AddSingleton(settings.Environments)
        .AddSingleton(provider => new EnvironmentFolders(settings.EnvironmentsFolder, provider.GetRequiredService<TimeProvider>()))
        .AddSingleton<EnvironmentPlanner>()
        .AddSingleton<EnvironmentBuilds>()
        .AddSingleton<EnvironmentsOfRevisions>()
        .AddSingleton<EnvironmentSweeper>()
        .AddSingleton<EnvironmentsApi>();
}
