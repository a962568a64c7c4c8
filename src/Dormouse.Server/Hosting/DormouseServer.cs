using System.Collections;
using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Protocol.Control;
using Dormouse.Server.Batches;
using Dormouse.Server.Deploying;
using Dormouse.Server.Destinations;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Environments;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Queues;
using Dormouse.Server.Rollouts;
using Dormouse.Server.Routing;
using Dormouse.Server.Sharing;
using Dormouse.Server.Telemetry;
using Dormouse.Server.Triggers;
using Dormouse.Server.Uploads;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Hosting;

/// <summary>
/// One running server. It listens when the data folder is open and the catalogue is in routing; the launcher, the pool and everything else that a first call
/// can wait for comes up behind that.
/// </summary>
public sealed partial class DormouseServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly IAsyncDisposable _stores;
    private readonly ListeningAt _listening;
    private readonly CancellationTokenSource _stopping = new();
    private readonly ILogger _logger;

    /// <summary>Null where the process is more than this server.</summary>
    private readonly CompilationProfile? _compiled;
    private Task _opening = Task.CompletedTask;
    private Task? _stopped;

    private DormouseServer(WebApplication app, IAsyncDisposable stores, ServerAddresses addresses, CompilationProfile? compiled)
    {
        _compiled = compiled;
        _app = app;
        _stores = stores;
        _listening = app.Services.GetRequiredService<ListeningAt>();
        _logger = app.Services.GetRequiredService<ILogger<DormouseServer>>();
        Addresses = addresses;
    }

    /// <summary>Where it listens, free ports resolved; the same as <c>server.json</c>.</summary>
    public ServerAddresses Addresses { get; }

    /// <summary>Ends when both addresses listen.</summary>
    /// <exception cref="ServerStartException">It cannot start, and why; nothing is left running.</exception>
    public static Task<DormouseServer> StartAsync(ServerOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        return StartAsync(options, isWholeProcess: false, cancellationToken);
    }

    private static async Task<DormouseServer> StartAsync(ServerOptions options, bool isWholeProcess, CancellationToken cancellationToken)
    {
        EventThreads.RunInline();
        var environment = options.Environment ?? ProcessEnvironment();
        var settings = ServerSettings.Load(options, environment);
        var compiled = isWholeProcess ? CompilationProfile.Begin(settings.Server.DataFolder) : null;
        // Two halves of the same length: the stores open while the application is put together.
        var parts = new ComingParts(TimeProvider.System);
        var opening = Task.Run(() => ServerStores.OpenAsync(settings, parts.Time, cancellationToken), cancellationToken);
        WebApplication app;
        try
        {
            app = ServerComposition.Build(settings, parts, host => KestrelListening.Use(host, settings.Server));
        }
        catch
        {
            await (await opening).DisposeAsync();
            throw;
        }

        ServerStores stores;
        try
        {
            stores = await opening;
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }

        parts.Came(stores.Parts);
        try
        {
            return await StartAsync(app, settings, stores, compiled, cancellationToken);
        }
        catch
        {
            await stores.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts, tells <paramref name="started"/>, and runs until SIGINT, SIGTERM or the token; then stops cleanly. A second signal ends the process at once.</summary>
    /// <exception cref="ServerStartException">It cannot start, and why.</exception>
    public static async Task RunAsync(ServerOptions options, Action<ServerAddresses> started, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(started);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        void Signalled(PosixSignalContext signal)
        {
            // True = the default action, ending the process, does not happen.
            signal.Cancel = ended.TrySetResult();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Signalled);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Signalled);
        await using var server = await StartAsync(options, isWholeProcess: true, cancellationToken);
        started(server.Addresses);
        await using (cancellationToken.Register(() => ended.TrySetResult()))
        {
            await ended.Task;
        }
    }

    /// <summary>Stops cleanly: nothing new is taken, what runs is finished within the shut-down time, instances end, receipts are folded. Idempotent.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_stopped is null)
        {
            _stopped = StopAsync();
        }

        await _stopped;
    }

    private static async Task<DormouseServer> StartAsync(WebApplication app, ServerSettings settings, ServerStores stores, CompilationProfile? compiled, CancellationToken cancellationToken)
    {
        try
        {
            var warm = await MapAsync(app, stores.Parts.Catalogue, cancellationToken);
            ServerTelemetry.Connect(app.Services);
            await app.StartAsync(cancellationToken);
            var server = new DormouseServer(app, stores, KestrelListening.Addresses(app.Services, settings.Server), compiled);
            server._listening.Write(server.Addresses);
            server.Open(warm);
            return server;
        }
        catch (Exception e)
        {
            await app.DisposeAsync();
            throw KestrelListening.Explain(e, settings.Server) ?? e;
        }
    }

    /// <summary>The routes of the server, and beside it those of its endpoints.</summary>
    private static async Task<ImmutableArray<EndpointRoute>> MapAsync(WebApplication app, ICatalogue catalogue, CancellationToken cancellationToken)
    {
        var routing = app.Services.GetRequiredService<RoutingTable>();
        var reading = Task.Run(() => CatalogueLoad.ReadAsync(catalogue, routing, cancellationToken), cancellationToken);
        try
        {
            ServerComposition.Map(app);
            app.Services.GetRequiredService<WorkFolder>().Clean();
        }
        finally
        {
            // Whatever happened, nobody reads on when the stores are closed.
            await reading;
        }

        return await reading;
    }

    /// <summary>Everything that need not be there before the first request.</summary>
    private void Open(ImmutableArray<EndpointRoute> warm)
    {
        var services = _app.Services;
        LogListening(Addresses.Http, Addresses.Grpc, ServerVersion.Text);
        services.GetRequiredService<Verifier>().Start();
        services.GetRequiredService<OptimiseQueue>().Start();
        services.GetRequiredService<LoadedModels>().Start();
        services.GetRequiredService<CanaryLoop>().Start();
        services.GetRequiredService<QueueLoop>().Start();
        services.GetRequiredService<DeliveryLoop>().Start();
        services.GetRequiredService<TriggerLoop>().Start();
        services.GetRequiredService<BatchLoop>().Start();
        services.GetRequiredService<HandoverLoop>().Start();
        services.GetRequiredService<SharedChanges>().Start();
        _compiled?.KeepAfterFirstCalls(services.GetRequiredService<DispatchEvents>(), services.GetRequiredService<TimeProvider>(), _logger);
        _opening = OpenAsync(warm, _stopping.Token);
    }

    private async Task OpenAsync(ImmutableArray<EndpointRoute> warm, CancellationToken cancellationToken)
    {
        await Task.Yield();
        var services = _app.Services;
        try
        {
            foreach (var route in warm)
            {
                services.GetRequiredService<DispatchService>().TrafficChanged(route.Endpoint, route.Revisions, route.Standby, isStart: true);
            }

            foreach (var revision in await services.GetRequiredService<ICatalogue>().UnverifiedAsync(cancellationToken))
            {
                // Nobody waits for the outcome: the verifier owns the work. Beyond its bound they wait for the next start.
                LogVerifiedAgain(revision.Id);
                _ = services.GetRequiredService<Verifier>().TryEnqueue(revision);
            }

            services.GetRequiredService<UploadSweeper>().Start();
            await ProbeAsync(services, cancellationToken);
            services.GetRequiredService<EnvironmentSweeper>().Start();
            services.GetRequiredService<MetricsExport>().Begin();
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            LogOpenFailed(e);
        }
    }

    /// <summary>Says at once when nothing could be deployed.</summary>
    private async Task ProbeAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        var blobs = services.GetRequiredService<IBlobStore>();
        blobs.Keep(() => services.GetRequiredService<DispatchService>().CountInstances().Select(c => c.Revision.Package));
        try
        {
            await blobs.ProbeAsync(cancellationToken);
        }
        catch (BlobsAwayException e)
        {
            LogBlobsAway(e.Message);
        }
    }

    private async Task StopAsync()
    {
        _listening.Remove();
        await _stopping.CancelAsync();
        // What still comes up is through before anything it uses goes away.
        await WhenOpenedAsync();
        if (_compiled is not null)
        {
            await _compiled.DisposeAsync();
        }

        var services = _app.Services;
        await _app.StopAsync();
        await services.GetRequiredService<TriggerLoop>().DisposeAsync();
        await services.GetRequiredService<BatchLoop>().DisposeAsync();
        await services.GetRequiredService<SharedChanges>().DisposeAsync();
        await services.GetRequiredService<QueueLoop>().DisposeAsync();
        await services.GetRequiredService<DeliveryLoop>().DisposeAsync();
        await services.GetRequiredService<CanaryLoop>().DisposeAsync();
        await services.GetRequiredService<HandoverLoop>().DisposeAsync();
        await services.GetRequiredService<EnvironmentBuilds>().DisposeAsync();
        await services.GetRequiredService<Verifier>().DisposeAsync();
        await services.GetRequiredService<LoadedModels>().DisposeAsync();
        await services.GetRequiredService<OptimiseQueue>().DisposeAsync();
        await services.GetRequiredService<UploadSweeper>().DisposeAsync();
        await services.GetRequiredService<EnvironmentSweeper>().DisposeAsync();
        await _app.DisposeAsync();
        await _stores.DisposeAsync();
        _stopping.Dispose();
    }

    private async Task WhenOpenedAsync()
    {
        try
        {
            await _opening;
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // Stopped before it was all up.
        }
    }

    private static Dictionary<string, string> ProcessEnvironment()
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (DictionaryEntry entry in Environment.GetEnvironmentVariables())
        {
            environment[(string)entry.Key] = (string?)entry.Value ?? "";
        }

        return environment;
    }

    [LoggerMessage(EventId = 1101, EventName = "ServerListens", Level = LogLevel.Information, Message = "Dormouse {Version} listens at {Http} (HTTP) and {Grpc} (gRPC)")]
    private partial void LogListening(string http, string grpc, string version);

    [LoggerMessage(EventId = 1103, EventName = "VerifiedAgain", Level = LogLevel.Information, Message = "Revision {Revision} was being verified when the server ended; it is verified again")]
    private partial void LogVerifiedAgain(RevisionId revision);

    [LoggerMessage(EventId = 1014, EventName = "BlobsAwayAtStart", Level = LogLevel.Error,
        Message = "{Reason} Nothing can be deployed until it can be used; what this server has copies of is served. 'dormouse doctor' tries it again")]
    private partial void LogBlobsAway(string reason);

    [LoggerMessage(EventId = 1104, EventName = "OpeningFailed", Level = LogLevel.Error, Message = "A part of the server that comes up after listening failed")]
    private partial void LogOpenFailed(Exception exception);
}
