using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Access;

internal static class AccessSetup
{
    /// <summary>Needs <c>IAccessKeys</c> and <see cref="TimeProvider"/>.</summary>
    public static IServiceCollection AddAccess(this IServiceCollection services, Func<IServiceProvider, AdminKey> admin) => services
        .AddSingleton(admin)
        .AddSingleton<KeyRing>()
        .AddSingleton<KeyService>()
        .AddSingleton<AccessGate>();
}
