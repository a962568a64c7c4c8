using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Deploying;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Hosting;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Queues;
using Dormouse.Server.Rollouts;
using Dormouse.Server.Routing;
using Dormouse.Server.Sharing;
using Dormouse.Server.Triggers;
using Dormouse.Storage;
using Dormouse.Storage.Postgres;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Tests.Fakes;

/// <summary>A whole server in memory: the real pipeline, control plane and stores on a data folder of its own; only driver and inspector are fakes.</summary>
internal sealed class ControlServer : IAsyncDisposable
{
    public const string AdminKey = "the-administrators-key";

    public const string InterfaceJson =
        """{"platform":"onnxruntime_onnx","inputs":[{"name":"x","datatype":"FP32","shape":[-1,4]}],"outputs":[{"name":"y","datatype":"FP32","shape":[-1,2]}],"accepts":[]}""";

    private readonly string _folder;
    private readonly StorageSet _storage;
    private readonly WebApplication _app;

    private ControlServer(string folder, StorageSet storage, WebApplication app, ControlDriver driver, ControlInspector inspector, FakeEnvironments environments)
    {
        _folder = folder;
        _storage = storage;
        _app = app;
        Driver = driver;
        Inspector = inspector;
        Environments = environments;
        Admin = Client(AdminKey);
    }

    public string Folder => _folder;

    /// <summary>Its data folder is left for the next server.</summary>
    public bool KeepsFolder { get; set; }

    public ControlDriver Driver { get; }

    public ControlInspector Inspector { get; }

    public FakeEnvironments Environments { get; }

    /// <summary>Sends the administrator's key.</summary>
    public HttpClient Admin { get; }

    public StorageSet Storage => _storage;

    public IServiceProvider Services => _app.Services;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <param name="folder">Data folder of a server before it; null = a new one.</param>
    /// <param name="environment">Settings beside the usual.</param>
    /// <param name="postgres">Address of the database that it shares with others; null = its own.</param>
    public static async Task<ControlServer> StartAsync(Action<WebApplication>? extend = null, string? folder = null, Dictionary<string, string>? environment = null, string? postgres = null)
    {
        folder ??= Directory.CreateTempSubdirectory("dormouse-control-").FullName;
        environment = new Dictionary<string, string>(environment ?? [])
        {
            ["DORMOUSE_LOGGING__LEVEL"] = "error",
            ["DORMOUSE_MACHINE__MEMORY"] = "4GiB",
            ["DORMOUSE_MACHINE__STARTS_AT_ONCE"] = "4",
        };
        var settings = ServerSettings.Load(new ServerOptions { DataFolder = folder }, environment);
        var ids = new Uuid7Source(TimeProvider.System);
        var storage = await StorageSet.OpenAsync(new StorageOptions { FolderPath = folder, JournalBytes = 1 << 20, Postgres = postgres is null ? null : PostgresAddress.TryParse(postgres) }, TimeProvider.System, ids, _ => { }, Cancellation);
        var (driver, inspector, environments) = (new ControlDriver(), new ControlInspector(), new FakeEnvironments());
        var app = ServerComposition.Build(
            settings,
            new ComingParts(new ServerParts
            {
                Time = TimeProvider.System,
                Ids = ids,
                Random = new Random(1),
                Catalogue = storage.Catalogue,
                Blobs = storage.Blobs,
                Derived = storage.Derived,
                Keys = storage.Keys,
                Ledger = storage.Ledger,
                Queue = storage.Queue,
                Destinations = storage.Destinations,
                Secrets = storage.Secrets,
                Triggers = storage.Triggers,
                Batches = storage.Batches,
                Pipelines = storage.Pipelines,
                Sharing = storage.Sharing,
                Journal = storage.Journal,
                Driver = _ => driver,
                Inspector = _ => inspector,
                Environments = _ => environments,
                AdminKey = AdminKey,
            }),
            host => host.UseTestServer());
        ServerComposition.Map(app);
        extend?.Invoke(app);
        app.Services.GetRequiredService<WorkFolder>().Clean();
        var warm = await CatalogueLoad.ReadAsync(storage.Catalogue, app.Services.GetRequiredService<RoutingTable>(), Cancellation);
        ServerTelemetry.Connect(app.Services);
        await app.StartAsync(Cancellation);
        app.Services.GetRequiredService<Verifier>().Start();
        app.Services.GetRequiredService<OptimiseQueue>().Start();
        app.Services.GetRequiredService<LoadedModels>().Start();
        app.Services.GetRequiredService<CanaryLoop>().Start();
        app.Services.GetRequiredService<QueueLoop>().Start();
        app.Services.GetRequiredService<HandoverLoop>().Start();
        if (postgres is not null)
        {
            app.Services.GetRequiredService<TriggerLoop>().Start();
            app.Services.GetRequiredService<SharedChanges>().Start();
        }

        foreach (var route in warm)
        {
            app.Services.GetRequiredService<DispatchService>().TrafficChanged(route.Endpoint, route.Revisions, route.Standby, isStart: true);
        }

        return new ControlServer(folder, storage, app, driver, inspector, environments);
    }

    public HttpClient Client(string? key)
    {
        var client = _app.GetTestClient();
        if (key is not null)
        {
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }

        return client;
    }

    /// <summary>Makes a key of the default tenant with this scope.</summary>
    public async Task<KeyInfo> KeyAsync(params string[] scopes) =>
        await ReadAsync(
            await Admin.PostAsync("/api/v1/keys", Json(new CreateKeyRequest("test", [.. scopes]), ControlJson.Default.CreateKeyRequest), Cancellation),
            ControlJson.Default.KeyInfo);

    public async Task<PackageFileInfo> UploadAsync(string path, string content)
    {
        var bytes = Encoding.UTF8.GetBytes(content);
        var hash = Convert.ToHexStringLower(SHA256.HashData(bytes));
        using var response = await Admin.PutAsync($"/api/v1/blobs/{hash}", new ByteArrayContent(bytes), Cancellation);
        Assert.Equal(201, (int)response.StatusCode);
        return new PackageFileInfo(path, hash, bytes.Length);
    }

    public async Task<HttpResponseMessage> DeployAsync(string name, string model, RevisionSettings? settings = null, bool verify = true, bool wait = true)
    {
        var request = new DeployRequest { Files = [await UploadAsync("model.onnx", model)], Settings = settings ?? new RevisionSettings(), Verify = verify };
        return await PostDeployAsync(name, request, wait);
    }

    public Task<HttpResponseMessage> PostDeployAsync(string name, DeployRequest request, bool wait = true) =>
        Admin.PostAsync($"/api/v1/endpoints/{name}/revisions?wait={(wait ? "true" : "false")}", Json(request, ControlJson.Default.DeployRequest), Cancellation);

    /// <summary>The endpoint with so many instances, none of which is starting any more: they start behind the answer to a deploy.</summary>
    public async Task<EndpointInfo> StartedAsync(string name, int instances)
    {
        while (true)
        {
            Cancellation.ThrowIfCancellationRequested();
            var endpoint = await EndpointAsync(name);
            if (endpoint.Instances.Length == instances && endpoint.Instances.All(i => i.State != "starting"))
            {
                return endpoint;
            }
        }
    }

    public async Task<EndpointInfo> EndpointAsync(string name) =>
        await ReadAsync(await Admin.GetAsync("/api/v1/endpoints/" + name, Cancellation), ControlJson.Default.EndpointInfo);

    public static StringContent Json<T>(T value, JsonTypeInfo<T> type) => new(JsonSerializer.Serialize(value, type), Encoding.UTF8, "application/json");

    public static async Task<T> ReadAsync<T>(HttpResponseMessage response, JsonTypeInfo<T> type)
    {
        Assert.True(response.IsSuccessStatusCode, $"{(int)response.StatusCode}: {await response.Content.ReadAsStringAsync(Cancellation)}");
        return (await response.Content.ReadFromJsonAsync(type, Cancellation))!;
    }

    /// <summary>The problem of a refused call; checks that it is one, whole and consistent.</summary>
    public static async Task<ProblemDocument> ProblemAsync(HttpResponseMessage response, ProblemCode code)
    {
        var text = await response.Content.ReadAsStringAsync(Cancellation);
        var problem = JsonSerializer.Deserialize(text, ProblemJson.Default.ProblemDocument);
        Assert.Equal(code.Code, problem?.Code);
        Assert.Equal((int)response.StatusCode, problem!.Status);
        Assert.Equal(code.Status, problem.Status);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        Assert.False(string.IsNullOrWhiteSpace(problem.Detail));
        return problem;
    }

    public async ValueTask DisposeAsync()
    {
        Inspector.Release();
        await _app.StopAsync(CancellationToken.None);
        await _app.Services.GetRequiredService<TriggerLoop>().DisposeAsync();
        await _app.Services.GetRequiredService<SharedChanges>().DisposeAsync();
        await _app.Services.GetRequiredService<CanaryLoop>().DisposeAsync();
        await _app.Services.GetRequiredService<HandoverLoop>().DisposeAsync();
        await _app.Services.GetRequiredService<Verifier>().DisposeAsync();
        await _app.Services.GetRequiredService<LoadedModels>().DisposeAsync();
        await _app.Services.GetRequiredService<OptimiseQueue>().DisposeAsync();
        await _app.DisposeAsync();
        await _storage.DisposeAsync();
        if (!KeepsFolder)
        {
            Directory.Delete(_folder, recursive: true);
        }
    }
}
