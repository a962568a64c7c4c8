using Dormouse.Server.Hosting.Settings;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Triggers;

internal static class TriggersRegistration
{
    /// <summary>What feeds queues. Needs the queue and the store of triggers. No kind is made before there is a trigger.</summary>
    public static IServiceCollection AddTriggers(this IServiceCollection services, TriggersSettings settings) => services
        .AddSingleton(settings)
        .AddSingleton<CronKind>()
        .AddSingleton<HttpKind>()
        .AddSingleton<FolderKind>()
        .AddSingleton<EventKinds>()
        .AddSingleton(provider => new Lazy<EventKinds>(provider.GetRequiredService<EventKinds>))
        .AddSingleton<TriggerParts>()
        .AddSingleton<TriggerLoop>()
        .AddSingleton<TriggersApi>()
        .AddSingleton<EventsRoute>();
}
