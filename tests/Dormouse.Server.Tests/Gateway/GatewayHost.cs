using System.Collections.Immutable;
using System.Net.Http.Headers;
using System.Text;
using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Hosting;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Routing;
using Dormouse.Server.Tests.Fakes;
using Dormouse.Storage;
using Dormouse.Storage.Tests.Batches;
using Dormouse.Storage.Tests.Pipelines;
using Dormouse.Storage.Tests.Queues;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Dormouse.Server.Tests.Gateway;

/// <summary>The whole server on loopback, with its edges in memory and instances in process. Time stands still unless the test moves it.</summary>
internal sealed class GatewayHost : IAsyncDisposable
{
    public const string AdminKey = "admin-key-of-the-test";
    public const string Interface =
        """{"platform":"onnxruntime_onnx","inputs":[{"name":"x","datatype":"FP32","shape":[-1,4]}],"outputs":[{"name":"y","datatype":"FP32","shape":[-1,2]}]}""";

    private readonly WebApplication _app;
    private readonly string _folder;
    private StorageSet? _storage;
    private bool _isStopped;

    private GatewayHost(WebApplication app, string folder, FakeDriver driver, InMemoryJournal journal, InMemoryCatalogue catalogue, NamedBlobs blobs, FakeTimeProvider time, InMemoryKeys keys, InMemoryQueue queue, ServerSettings settings, ErrorLog errors)
    {
        Errors = errors;
        _app = app;
        _folder = folder;
        Driver = driver;
        Journal = journal;
        Catalogue = catalogue;
        Blobs = blobs;
        Time = time;
        Keys = keys;
        Queue = queue;
        var addresses = KestrelListening.Addresses(app.Services, settings.Server);
        Http = new Uri(addresses.Http);
        Grpc = new Uri(addresses.Grpc);
        Client = NewClient();
    }

    /// <summary>Its data folder.</summary>
    public string Folder => _folder;

    public FakeDriver Driver { get; }

    public InMemoryJournal Journal { get; }

    public InMemoryCatalogue Catalogue { get; }

    public NamedBlobs Blobs { get; }

    public FakeTimeProvider Time { get; }

    public InMemoryKeys Keys { get; }

    public InMemoryQueue Queue { get; }

    /// <summary>The queue, destinations and triggers on SQLite; only of a host that was started with them.</summary>
    public StorageSet Storage => _storage ?? throw new InvalidOperationException("The host was started without a store.");

    /// <summary>What any part of the server has logged as an error.</summary>
    public ErrorLog Errors { get; }

    public Uri Http { get; }

    public Uri Grpc { get; }

    public HttpClient Client { get; }

    public DispatchService Dispatch => _app.Services.GetRequiredService<DispatchService>();

    public RoutingTable Routes => _app.Services.GetRequiredService<RoutingTable>();

    public T Service<T>()
        where T : notnull => _app.Services.GetRequiredService<T>();

    public static async Task<GatewayHost> StartAsync(Dictionary<string, string>? environment = null, Random? random = null, Action<FakeDriver>? prepare = null, Guid? serverId = null, bool storesQueue = false, Action<IServiceCollection>? services = null, Func<IDestinationStore, IDestinationStore>? destinations = null)
    {
        var folder = Directory.CreateTempSubdirectory("dmgw").FullName;
        var options = new ServerOptions { DataFolder = folder, Listen = "http://127.0.0.1:0", GrpcListen = "http://127.0.0.1:0" };
        var settings = ServerSettings.Load(options, new Dictionary<string, string> { ["DORMOUSE_LOGGING__LEVEL"] = "error" }.Concat(environment ?? []).GroupBy(e => e.Key).ToDictionary(e => e.Key, e => e.Last().Value));
        var driver = new FakeDriver(folder);
        prepare?.Invoke(driver);
        var journal = serverId is { } id ? new InMemoryJournal { ServerId = id } : new InMemoryJournal();
        var catalogue = new InMemoryCatalogue();
        var blobs = new NamedBlobs();
        var keys = new InMemoryKeys();
        var queue = new InMemoryQueue();
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
        var storage = storesQueue
            ? await StorageSet.OpenAsync(new StorageOptions { FolderPath = Path.Combine(folder, "store"), JournalBytes = 1 << 20 }, time, new CountingIds(), _ => { }, TestContext.Current.CancellationToken)
            : null;
        var parts = new ServerParts
        {
            Time = time,
            Ids = new CountingIds(),
            Random = random ?? new Random(1),
            Catalogue = catalogue,
            Blobs = blobs,
            Derived = blobs,
            Keys = keys,
            Ledger = new EmptyLedger(catalogue),
            Queue = storage?.Queue ?? queue,
            Destinations = storage is null ? new NoDestinations() : destinations?.Invoke(storage.Destinations) ?? storage.Destinations,
            Secrets = storage?.Secrets ?? new NoSecrets(),
            Triggers = storage?.Triggers ?? new NoTriggers(),
            Batches = storage?.Batches ?? new InMemoryBatches(queue),
            Pipelines = storage?.Pipelines ?? new InMemoryPipelines(),
            Journal = journal,
            Driver = _ => driver,
            Inspector = _ => new NoInspector(),
            Environments = _ => new FakeEnvironments(),
            AdminKey = AdminKey,
        };
        var errors = new ErrorLog();
        var app = ServerComposition.Build(settings, new ComingParts(parts), host =>
        {
            KestrelListening.Use(host, settings.Server);
            host.ConfigureServices(added => services?.Invoke(added));
            host.ConfigureServices(services => services.AddSingleton<ILoggerProvider>(errors).AddSingleton<CallersLeft>().AddSingleton<IStartupFilter>(p => p.GetRequiredService<CallersLeft>()));
        });
        ServerComposition.Map(app);
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new GatewayHost(app, folder, driver, journal, catalogue, blobs, time, keys, queue, settings, errors) { _storage = storage };
    }

    public HttpClient NewClient()
    {
        var client = new HttpClient(new SocketsHttpHandler()) { BaseAddress = Http, Timeout = Timeout.InfiniteTimeSpan };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", AdminKey);
        return client;
    }

    /// <summary>Adds an endpoint whose revisions 1..n carry equal or given weights, and routes it.</summary>
    public EndpointRoute Add(string name, RevisionSpec? spec = null, int[]? weights = null, int withoutTraffic = 0, bool isPublic = false, string? tenant = null, string? model = Interface)
    {
        weights ??= [100];
        var owner = tenant is null ? TenantId.Default : new TenantId(tenant);
        var id = new EndpointId(Guid.CreateVersion7());
        var revisions = Enumerable.Range(1, weights.Length + withoutTraffic).Select(number => new Revision
        {
            Id = new RevisionId(id, number),
            Tenant = owner,
            State = RevisionState.Ready,
            Package = new Package([new PackageFile("model.onnx", new BlobHash(new string((char)('a' + (number % 6)), 64)), 1)]),
            Spec = spec ?? Spec(),
            Interface = model,
            CreatedAt = Time.GetUtcNow(),
        }).ToImmutableArray();
        var endpoint = new Endpoint
        {
            Tenant = owner,
            Id = id,
            Name = name,
            IsPublic = isPublic,
            Traffic = [.. weights.Select((w, i) => new TrafficShare(i + 1, w))],
            CreatedAt = Time.GetUtcNow(),
        };
        Catalogue.Put(endpoint, revisions);
        var route = new EndpointRoute(endpoint, revisions[..weights.Length]);
        Routes.Put(route);
        return route;
    }

    public static RevisionSpec Spec() => new() { Runtime = "onnx", MemoryMib = 64, Concurrency = 1, MaxInstances = 1 };

    /// <summary>A program that is no model: every method and path is its own.</summary>
    public static RevisionSpec Program() => Spec() with { Runtime = "program" };

    public Task<HttpResponseMessage> InferAsync(string name, string body = "{\"inputs\":[]}") => PostAsync(name, body, CancellationToken.None);

    /// <summary>A caller who hangs up when the token fires.</summary>
    public Task<HttpResponseMessage> LeavingInferAsync(string name, CancellationToken leaving) => PostAsync(name, "{}", leaving);

    private Task<HttpResponseMessage> PostAsync(string name, string body, CancellationToken cancellationToken) =>
        Client.PostAsync($"/v2/models/{name}/infer", new StringContent(body, Encoding.UTF8, "application/json"), cancellationToken);

    /// <summary>Stops the server as a signal would.</summary>
    public async Task StopAsync()
    {
        if (!_isStopped)
        {
            _isStopped = true;
            await _app.StopAsync(TestContext.Current.CancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await StopAsync();
        await _app.DisposeAsync();
        if (_storage is not null)
        {
            await _storage.DisposeAsync();
        }

        Assert.Equal(0, Journal.OpenCount);
        Directory.Delete(_folder, recursive: true);
    }
}
