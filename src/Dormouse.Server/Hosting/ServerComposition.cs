using Dormouse.Server.Access;
using Dormouse.Server.Batches;
using Dormouse.Server.Control;
using Dormouse.Server.Deploying;
using Dormouse.Server.Destinations;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Environments;
using Dormouse.Server.Errors;
using Dormouse.Server.Gateway;
using Dormouse.Server.Grpc;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Pipelines;
using Dormouse.Server.Prefetch;
using Dormouse.Server.Queues;
using Dormouse.Server.Secrets;
using Dormouse.Server.Telemetry;
using Dormouse.Server.Triggers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Dormouse.Server.Hosting;

/// <summary>
/// Puts the server together in two steps: an empty application with each feature's list of services and the pipeline in order, while the stores open; then the
/// routes, whose handlers hold the stores.
/// </summary>
internal static class ServerComposition
{
    /// <param name="parts">Nothing asks for one before <see cref="Map"/>.</param>
    /// <param name="host">Chooses the HTTP server: Kestrel, or one in memory.</param>
    public static WebApplication Build(ServerSettings settings, ComingParts parts, Action<IWebHostBuilder> host)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "dormouse", ContentRootPath = AppContext.BaseDirectory });
        host(builder.WebHost);
        AddLogging(builder.Logging, settings.Logging);
        AddParts(builder.Services, parts);
        builder.Services
            .AddSingleton<IHostLifetime, NoSignals>()
            .Configure<HostOptions>(options => options.ShutdownTimeout = settings.Server.ShutdownTimeout)
            .AddRoutingCore()
            .AddSingleton(_ => new WorkFolder(Path.Combine(settings.Server.DataFolder, "work"), parts.Value.Ids))
            .AddSingleton(new ListeningAt(settings.Server.DataFolder))
            .AddSingleton(settings.Telemetry)
            .AddAccess(_ => new AdminKey(parts.Value.AdminKey))
            .AddTelemetry()
            .AddSingleton(GatewaySettings.From(settings))
            .AddDispatch()
            .AddPrefetch(settings.Prefetch)
            .AddGateway()
            .AddGrpcGateway()
            .AddQueues(settings.Queues)
            .AddPipelines()
            .AddSecrets()
            .AddDestinations(settings.Destinations)
            .AddTriggers(settings.Triggers)
            .AddBatches(settings)
            .AddEnvironments(settings)
            .AddControl(settings);
        var app = builder.Build();
        app.UseMiddleware<ProblemBoundary>();
        app.UseRouting();
        app.UseMiddleware<UnmatchedRoutes>();
        app.MapGrpcGateway();
        return app;
    }

    /// <summary>The routes. The parts have come.</summary>
    public static void Map(WebApplication app)
    {
        app.Services.ConnectGrpcHealth();
        app.MapGateway();
        app.MapControl();
        app.Services.GetRequiredService<EventsRoute>().Map(app);
        app.MapOperations();
    }

    private static void AddParts(IServiceCollection services, ComingParts parts) => services
        .AddSingleton(parts.Time)
        .AddSingleton(_ => parts.Value.Ids)
        .AddSingleton(_ => parts.Value.Random)
        .AddSingleton(_ => parts.Value.Catalogue)
        .AddSingleton(_ => parts.Value.Blobs)
        .AddSingleton(_ => parts.Value.Derived)
        .AddSingleton(_ => parts.Value.Keys)
        .AddSingleton(_ => parts.Value.Ledger)
        .AddSingleton(_ => parts.Value.Queue)
        .AddSingleton(_ => parts.Value.Destinations)
        .AddSingleton(_ => parts.Value.Secrets)
        .AddSingleton(_ => parts.Value.Triggers)
        .AddSingleton(_ => parts.Value.Batches)
        .AddSingleton(_ => parts.Value.Pipelines)
        .AddSingleton(_ => parts.Value.Sharing)
        .AddSingleton(_ => parts.Value.Journal)
        .AddSingleton(_ => new StoreInUse(parts.Value.DescribeStore))
        .AddSingleton(services => parts.Value.Driver(services))
        .AddSingleton(services => parts.Value.Inspector(services))
        .AddSingleton(services => parts.Value.Environments(services));

    private static void AddLogging(ILoggingBuilder logging, LoggingSettings settings)
    {
        // State changes of ours; of the frameworks only what someone should look at.
        logging.SetMinimumLevel(settings.Level > LogLevel.Warning ? settings.Level : LogLevel.Warning);
        logging.AddFilter("Dormouse", settings.Level);
        // A start that fails is told once, by whoever started the server, without a trace.
        logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
        if (settings.IsJson)
        {
            logging.AddJsonConsole(options => options.UseUtcTimestamp = true);
        }
        else
        {
            logging.AddSimpleConsole(options =>
            {
                options.SingleLine = true;
                options.TimestampFormat = "HH:mm:ss.fff ";
                options.UseUtcTimestamp = true;
            });
        }

        // Standard output belongs to the command line.
        logging.Services.Configure<ConsoleLoggerOptions>(options => options.LogToStandardErrorThreshold = LogLevel.Trace);
    }

    /// <summary>Whoever runs the server decides what a signal means; inside another program (a test, quickstart) it means nothing to us.</summary>
    private sealed class NoSignals : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
