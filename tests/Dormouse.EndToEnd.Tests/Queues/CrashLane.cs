using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;
using Dormouse.EndToEnd.Tests.Storage;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.EndToEnd.Tests.Queues;

internal enum Victim
{
    Server,
    Worker,
    Broker,
    Database,
}

/// <summary>
/// One store and one victim: at each step of an asynchronous invocation the server is held there, the victim is killed, and everything goes on. One invocation comes over HTTP and one out of a Redis
/// stream for each kill; their outcomes are reported to a webhook.
/// </summary>
internal sealed class CrashLane : IAsyncDisposable
{
    /// <summary>As the server's <c>QueueStep</c> has them; first the one after which a server that was killed lets most time pass.</summary>
    private static readonly string[] Steps = ["sent", "accepted", "leased", "started", "finished", "stored", "acknowledged"];

    private const int Term = 1_000;

    private readonly Victim _victim;
    private readonly string _data = Directory.CreateTempSubdirectory("dormouse-crash-").FullName;
    private readonly string _steps = Directory.CreateTempSubdirectory("dormouse-steps-").FullName;
    private readonly HangingReceiver _receiver = new();
    private readonly SmallRedis _redis = new();
    private readonly List<Task<string>> _senders = [];
    private readonly PrivatePostgres? _postgres;
    private readonly Dictionary<string, string> _environment;
    private RunningServer? _server;
    private int _sent;

    private CrashLane(Victim victim, PrivatePostgres? postgres)
    {
        (_victim, _postgres) = (victim, postgres);
        _environment = new()
        {
            ["DORMOUSE_TEST_STEPS"] = _steps,
            // Servers start often here, and each is to do little for it.
            ["DORMOUSE_WORKERS__POOL_SIZE"] = "1",
            ["DORMOUSE_QUEUES__ATTEMPTS"] = "25",
            ["DORMOUSE_DESTINATIONS__ALLOW_NETWORKS"] = "127.0.0.0/8",
            ["DORMOUSE_DESTINATIONS__TIMEOUT"] = "5s",
        };
        foreach (var (name, value) in postgres is null ? [] : PostgresServerTests.Storage(postgres))
        {
            _environment[name] = value;
        }
    }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private RunningServer Server => _server ?? throw new InvalidOperationException("The server is down.");

    public static async Task RunAsync(bool isPostgres, Victim victim, int rounds)
    {
        await using var postgres = isPostgres ? await PrivatePostgres.StartAsync() : null;
        await using var lane = new CrashLane(victim, postgres);
        try
        {
            await lane.PrepareAsync();
            for (var round = 0; round < rounds; round++)
            {
                foreach (var step in Steps)
                {
                    await lane.KillAtAsync(step);
                }
            }

            await lane.CheckAsync();
        }
        catch (Exception e) when (!Cancelled.IsCancellationRequested)
        {
            throw new InvalidOperationException($"{(isPostgres ? "PostgreSQL" : "SQLite")}, {victim} killed: {e.Message}\n{lane._server?.Output}", e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        await _redis.DisposeAsync();
        _receiver.Dispose();
        Directory.Delete(_steps, recursive: true);
        Directory.Delete(_data, recursive: true);
    }

    private async Task PrepareAsync()
    {
        await _redis.StartAsync();
        _server = await RunningServer.StartAsync(Cancelled, _data, _environment);
        await Server.DeployAsync("plus", [("model.onnx", SmallModels.Plus(Term))], Cancelled, new JsonObject { ["concurrency"] = 2, ["max_instances"] = 1 });
        using var hook = await Server.PostAsync("/api/v1/destinations", new JsonObject { ["name"] = "hook", ["url"] = _receiver.Url }, Cancelled);
        Assert.True(hook.IsSuccessStatusCode, await hook.Content.ReadAsStringAsync(Cancelled));
        await Server.PutAsync("/api/v1/endpoints/plus/destinations", new JsonObject { ["on_success"] = "hook" }, Cancelled);
        await Server.PutAsync(
            "/api/v1/triggers/orders",
            new JsonObject { ["kind"] = "redis", ["endpoint"] = "plus", ["source"] = new JsonObject { ["url"] = $"redis://127.0.0.1:{_redis.Port}", ["stream"] = "orders" } },
            Cancelled);
    }

    private async Task KillAtAsync(string step)
    {
        string Mark(string word) => Path.Combine(_steps, step + "." + word);

        File.WriteAllText(Mark("hold"), "");
        await _redis.AskAsync("XADD", "orders", "*", "data", PlusCall.Body(_sent++).ToJsonString());
        _senders.Add(SendAsync(_sent++));
        await Waiting.UntilAsync(() => File.Exists(Mark("reached")), $"something is {step}", Cancelled);
        switch (_victim)
        {
            case Victim.Server:
                await Server.KillAsync(Cancelled);
                await Server.DisposeAsync();
                File.Delete(Mark("reached"));
                _server = await RunningServer.StartAsync(Cancelled, _data, _environment);
                return;
            case Victim.Worker:
                foreach (var worker in Server.Workers())
                {
                    Processes.Signal(worker, "KILL");
                }

                break;
            case Victim.Broker:
                await _redis.KillAsync();
                await _redis.StartAsync();
                break;
            case Victim.Database:
                await _postgres!.KillAsync();
                await _postgres.RestartAsync();
                break;
        }

        File.WriteAllText(Mark("go"), "");
        await Waiting.UntilAsync(() => File.Exists(Mark("passed")), $"what was {step} goes on", Cancelled);
        File.Delete(Mark("passed"));
        File.Delete(Mark("go"));
    }

    /// <summary>Sends a number until a server says that it is accepted; returns the id that it said.</summary>
    private async Task<string> SendAsync(int number)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (await timer.WaitForNextTickAsync(Cancelled))
        {
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/plus/infer") { Content = new StringContent(PlusCall.Body(number).ToJsonString(), Encoding.UTF8, "application/json") };
                request.Headers.Add("Dormouse-Mode", "async");
                request.Headers.Add("Idempotency-Key", number.ToString(CultureInfo.InvariantCulture));
                using var response = await Server.Http.SendAsync(request, Cancelled);
                if (response.StatusCode == HttpStatusCode.Accepted)
                {
                    return response.Headers.GetValues("Dormouse-Invocation-Id").Single();
                }

                Assert.True((int)response.StatusCode >= 500, $"{number} was answered {(int)response.StatusCode}: {await response.Content.ReadAsStringAsync(Cancelled)}");
            }
            catch (Exception e) when (e is HttpRequestException or ObjectDisposedException or OperationCanceledException && !Cancelled.IsCancellationRequested)
            {
                // The server was killed; another one comes.
            }
        }

        throw new OperationCanceledException(Cancelled);
    }

    private async Task CheckAsync()
    {
        var accepted = await Task.WhenAll(_senders);
        JsonArray all = [];
        await Waiting.UntilAsync(
            async () =>
            {
                all = (await Server.GetAsync("/api/v1/queue?endpoint=plus&limit=1000", Cancelled))["invocations"]!.AsArray();
                return all.Count >= _sent && all.All(i => i!["queue"]!["state"]!.GetValue<string>() is not ("queued" or "running"));
            },
            $"all {_sent} have ended", Cancelled);

        // Nothing accepted is lost, nothing is there twice, and each has the one right result.
        var ids = all.Select(i => i!["id"]!.GetValue<string>()).ToList();
        Assert.All(all, i => Assert.True(i!["queue"]!["state"]!.GetValue<string>() == "succeeded", i.ToJsonString()));
        Assert.Subset(ids.ToHashSet(), accepted.ToHashSet());
        var results = new List<double>();
        foreach (var id in ids)
        {
            results.Add((await Server.GetAsync($"/api/v1/invocations/{id}/result", Cancelled))["outputs"]![0]!["data"]![0]!.GetValue<double>());
        }

        Assert.Equal(Enumerable.Range(Term, _sent).Select(n => (double)n), results.Order());
        // A server that was killed before it acknowledged leaves that to the next one, which may do it after the run.
        await Waiting.UntilAsync(async () => (await _redis.AskAsync("XPENDING", "orders", "dormouse")).Split('\n')[0].Trim() == "0", "everything is acknowledged", Cancelled);

        // Effects at least once, under an id that stays the same.
        foreach (var id in ids)
        {
            await Waiting.UntilAsync(
                async () => (await Server.GetAsync($"/api/v1/invocations/{id}", Cancelled))["queue"]!["deliveries"] is JsonArray { Count: 1 } reports && reports[0]!["state"]!.GetValue<string>() == "delivered",
                $"{id} is reported", Cancelled);
        }

        Assert.Equal(ids.Order(StringComparer.Ordinal), _receiver.Ids.Distinct().Select(i => i[..i.LastIndexOf('-')]).Order(StringComparer.Ordinal));
        var doctor = await Server.GetAsync("/api/v1/doctor?full=true", Cancelled);
        Assert.Equal("ok", doctor["checks"]!.AsArray().Single(c => c!["name"]!.GetValue<string>() == "ledger")!["status"]!.GetValue<string>());
    }
}
