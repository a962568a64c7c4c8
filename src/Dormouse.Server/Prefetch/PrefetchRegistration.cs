using Dormouse.Server.Dispatch;
using Dormouse.Server.Hosting.Settings;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Prefetch;

internal static class PrefetchRegistration
{
    /// <summary>Recording what starts read, and reading it ahead. Needs dispatch, blobs and environments.</summary>
    public static IServiceCollection AddPrefetch(this IServiceCollection services, PrefetchSettings settings) => services
        .AddSingleton(settings)
        .AddSingleton<Func<MachineMemory>>(MachineMemory.Read)
        .AddSingleton<StartPlaces>()
        .AddSingleton<StartRecords>()
        .AddSingleton<StartRecorder>()
        .AddSingleton<PrefetchReports>()
        .AddSingleton<Prefetcher>();

    /// <summary>Instances and engines are listened to from now on.</summary>
    public static void ConnectPrefetch(this IServiceProvider services)
    {
        var events = services.GetRequiredService<DispatchEvents>();
        var recorder = services.GetRequiredService<StartRecorder>();
        events.Ready += recorder.Ready;
        events.Gone += recorder.Gone;
        events.PrefetchWanted += services.GetRequiredService<Prefetcher>().Want;
    }
}
