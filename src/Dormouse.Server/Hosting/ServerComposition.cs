using Dormouse.Server.Access;
using Dormouse.Server.Control;
using Dormouse.Server.Deploying;
using Dormouse.Server.Destinations;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Environments;
using Dormouse.Server.Errors;
using Dormouse.Server.Gateway;
using Dormouse.Server.Grpc;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Queues;
using Dormouse.Server.Telemetry;
using Dormouse.Server.Triggers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Dormouse.Server.Hosting;

/// <summary>Puts the server together: an empty application, each feature by its own list of services, the pipeline in order.</summary>
internal static class ServerComposition
{
    /// <param name="host">Chooses the HTTP server: Kestrel, or one in memory.</param>
    public static WebApplication Build(ServerSettings settings, ServerParts parts, Action<IWebHostBuilder> host)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "dormouse", ContentRootPath = AppContext.BaseDirectory });
        host(builder.WebHost);
        AddLogging(builder.Logging, settings.Logging);
        AddParts(builder.Services, parts);
        builder.Services
            .AddSingleton<IHostLifetime, NoSignals>()
            .Configure<HostOptions>(options => options.ShutdownTimeout = settings.Server.ShutdownTimeout)
            .AddRoutingCore()
            .AddSingleton(new WorkFolder(Path.Combine(settings.Server.DataFolder, "work"), parts.Ids))
            .AddSingleton(new ListeningAt(settings.Server.DataFolder))
            .AddSingleton(settings.Telemetry)
            .AddAccess(new AdminKey(parts.AdminKey))
            .AddTelemetry()
            .AddSingleton(GatewaySettings.From(settings))
            .AddDispatch()
            .AddGateway()
            .AddGrpcGateway()
            .AddQueues(settings.Queues)
            .AddDestinations(settings.Destinations)
            .AddTriggers(settings.Triggers)
            .AddEnvironments(settings)
            .AddControl(settings);
        var app = builder.Build();
        app.UseMiddleware<ProblemBoundary>();
        app.UseRouting();
        app.UseMiddleware<UnmatchedRoutes>();
        app.MapGateway();
        app.MapGrpcGateway();
        app.MapControl();
        app.Services.GetRequiredService<EventsRoute>().Map(app);
        app.MapOperations();
        return app;
    }

    private static void AddParts(IServiceCollection services, ServerParts parts) => services
        .AddSingleton(parts.Time)
        .AddSingleton(parts.Ids)
        .AddSingleton(parts.Random)
        .AddSingleton(parts.Catalogue)
        .AddSingleton(parts.Blobs)
        .AddSingleton(parts.Derived)
        .AddSingleton(parts.Keys)
        .AddSingleton(parts.Ledger)
        .AddSingleton(parts.Queue)
        .AddSingleton(parts.Destinations)
        .AddSingleton(parts.Triggers)
        .AddSingleton(parts.Journal)
        .AddSingleton(new StoreInUse(parts.DescribeStore))
        .AddSingleton(parts.Driver)
        .AddSingleton(parts.Inspector)
        .AddSingleton(parts.Environments);

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
