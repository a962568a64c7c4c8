using Dormouse.Server.Hosting.Settings;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Queues;

internal static class QueuesRegistration
{
    /// <summary>Asynchronous invocations. Needs the gateway, the queue's store and the names of endpoints.</summary>
    public static IServiceCollection AddQueues(this IServiceCollection services, QueuesSettings settings) => services
        .AddSingleton(settings)
        .AddSingleton<PinnedSteps>()
        .AddSingleton<QueueSignals>()
        .AddSingleton<QueueViews>()
        .AddSingleton<QueueFeed>()
        .AddSingleton<WholeBodies>()
        .AddSingleton<QueueIntake>()
        .AddSingleton<QueueAttempt>()
        .AddSingleton<AsyncLimits>()
        .AddSingleton<QueueProgress>()
        .AddSingleton<StoreHealth>()
        .AddSingleton<HeldItems>()
        .AddSingleton<QueueShortcut>()
        .AddSingleton<QueueLoop>()
        .AddSingleton<QueueApi>()
        .AddSingleton<QueueEditsApi>();
}
