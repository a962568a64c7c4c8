using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Functions;
using Dormouse.EndToEnd.Tests.Running;
using Dormouse.EndToEnd.Tests.Storage;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.EndToEnd.Tests.Queues;

/// <summary>Two server processes with a data folder each and one queue, on a private PostgreSQL.</summary>
public sealed class TwoServersTests
{
    private const int Items = 500;

    private const int Rounds = 4;

    /// <summary>Senders at once.</summary>
    private const int Senders = 8;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Of_what_both_accept_nothing_is_lost_and_each_result_is_stored_once_while_they_are_killed_in_turns()
    {
        await using var pair = await ServerPair.StartAsync();
        var effects = Path.Combine(pair.Files, "effects");
        await pair.DeployAsync("noted", Noted(effects));
        var ids = new string[Items];
        var accepted = 0;
        for (var round = 0; round < Rounds; round++)
        {
            var (first, after) = (Items * round / Rounds, Items * (round + 1) / Rounds);
            var sending = Parallel.ForEachAsync(
                Enumerable.Range(first, after - first), new ParallelOptions { MaxDegreeOfParallelism = Senders, CancellationToken = Cancelled },
                async (number, _) =>
                {
                    ids[number] = await pair.AcceptAsync("noted", number);
                    Interlocked.Increment(ref accepted);
                });
            // In the middle of accepting, while earlier ones run.
            await Waiting.UntilAsync(() => Volatile.Read(ref accepted) >= (first + after) / 2 && File.Exists(effects), $"half of round {round} is accepted", Cancelled);
            await pair.KillAndStartAsync(round % 2);
            await sending;
        }

        await Waiting.UntilAsync(
            async () => (await pair[0].GetAsync("/api/v1/endpoints/noted", Cancelled))["queue"] is not { } queue || (queue["queued"]!.GetValue<long>() == 0 && queue["running"]!.GetValue<long>() == 0),
            "all have ended", Cancelled);

        Assert.Equal(Items, ids.Distinct().Count());
        foreach (var server in (RunningServer[])[pair[0], pair[1]])
        {
            var stored = (await server.GetAsync("/api/v1/queue?endpoint=noted&limit=1000", Cancelled))["invocations"]!.AsArray();
            Assert.Equal(ids.Order(StringComparer.Ordinal), stored.Select(i => i!["id"]!.GetValue<string>()).Order(StringComparer.Ordinal));
            Assert.All(stored, i => Assert.True(i!["queue"]!["state"]!.GetValue<string>() == "succeeded", i.ToJsonString()));
        }

        var runs = (await File.ReadAllLinesAsync(effects, Cancelled)).Select(l => l.Split(' ')).ToLookup(l => l[0], l => (Attempt: l[1], Number: int.Parse(l[2], CultureInfo.InvariantCulture)));
        Assert.Equal(ids.Order(StringComparer.Ordinal), runs.Select(r => r.Key).Order(StringComparer.Ordinal));
        foreach (var (number, id) in ids.Index())
        {
            // It ran as often as there are lines, each time under its id and as another attempt.
            Assert.All(runs[id], r => Assert.Equal(number, r.Number));
            Assert.Equal(runs[id].Count(), runs[id].Select(r => r.Attempt).Distinct().Count());

            // The result is that of one of them, and both servers give the same one.
            var results = await Task.WhenAll(ResultAsync(pair[0], id), ResultAsync(pair[1], id));
            Assert.Equal(results[0].ToJsonString(), results[1].ToJsonString());
            Assert.Equal((id, number), (results[0]["id"]!.GetValue<string>(), results[0]["n"]!.GetValue<int>()));
            Assert.Contains(runs[id], r => r.Attempt == results[0]["attempt"]!.GetValue<string>());
        }

        foreach (var server in (RunningServer[])[pair[0], pair[1]])
        {
            var doctor = await server.GetAsync("/api/v1/doctor?full=true", Cancelled);
            Assert.Equal("ok", doctor["checks"]!.AsArray().Single(c => c!["name"]!.GetValue<string>() == "ledger")!["status"]!.GetValue<string>());
        }
    }

    [Fact]
    public async Task What_runs_on_one_is_cancelled_on_the_other_and_an_endpoint_that_one_deletes_is_gone_on_both()
    {
        await using var pair = await ServerPair.StartAsync();
        var (begun, go) = (Path.Combine(pair.Files, "begun"), Path.Combine(pair.Files, "go"));
        await pair.DeployAsync("held", Held(begun, go));

        var id = await pair.AcceptAsync("held", 1);
        await Waiting.UntilAsync(() => File.Exists(begun), "it runs", Cancelled);
        var process = int.Parse(await File.ReadAllTextAsync(begun, Cancelled), CultureInfo.InvariantCulture);
        var (runner, other) = pair[0].Descendants().Contains(process) ? (pair[0], pair[1]) : (pair[1], pair[0]);
        Assert.Contains(process, runner.Descendants());
        using (var cancelled = await other.PostAsync($"/api/v1/invocations/{id}/cancel", null, Cancelled))
        {
            Assert.Equal(HttpStatusCode.OK, cancelled.StatusCode);
        }

        await File.WriteAllTextAsync(go, "", Cancelled);
        JsonNode seen = new JsonObject();
        await Waiting.UntilAsync(
            async () => (seen = await other.GetAsync($"/api/v1/invocations/{id}", Cancelled))["outcome"]!.GetValue<string>() is "completed" or "caller_left", "what ran has its receipt", Cancelled);

        // It was paid for and is not answered, wherever one asks.
        Assert.Equal("cancelled", seen["queue"]!["state"]!.GetValue<string>());
        foreach (var server in (RunningServer[])[runner, other])
        {
            Assert.Equal("cancelled", (await server.GetAsync($"/api/v1/invocations/{id}", Cancelled))["queue"]!["state"]!.GetValue<string>());
            using var result = await server.Http.GetAsync(new Uri($"/api/v1/invocations/{id}/result", UriKind.Relative), Cancelled);
            Assert.False(result.IsSuccessStatusCode);
            Assert.Equal("result_missing", JsonNode.Parse(await result.Content.ReadAsStringAsync(Cancelled))!["code"]!.GetValue<string>());
        }

        var waiting = await ServerPair.SendAsync(runner, "held", 2, "1h");
        using (var deleted = await other.Http.DeleteAsync(new Uri("/api/v1/endpoints/held", UriKind.Relative), Cancelled))
        {
            Assert.True(deleted.IsSuccessStatusCode, await deleted.Content.ReadAsStringAsync(Cancelled));
        }

        await Waiting.UntilAsync(
            async () =>
            {
                using var answer = await runner.PostAsync("/invoke/held", JsonValue.Create(3), Cancelled);
                return answer.StatusCode == HttpStatusCode.NotFound;
            },
            "the server that did not delete it knows", Cancelled);
        await Waiting.UntilAsync(() => !runner.Descendants().Contains(process), "its instance has ended", Cancelled);
        foreach (var server in (RunningServer[])[runner, other])
        {
            await Waiting.UntilAsync(
                async () => (await server.GetAsync($"/api/v1/invocations/{waiting}", Cancelled))["queue"]!["state"]!.GetValue<string>() == "cancelled", "what waited for it is cancelled", Cancelled);
        }
    }

    /// <summary>Writes a line for every run: id, attempt, number. One write to a file that is appended to is never mixed with another's.</summary>
    private static string Noted(string effects) =>
        $$"""
        import os, time
        import dormouse

        def handler(input):
            mine = dormouse.current()
            attempt = mine.headers["dormouse-attempt"]
            time.sleep(0.01)
            file = os.open({{Text(effects)}}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            os.write(file, ("%s %s %d\n" % (mine.invocation_id, attempt, input)).encode())
            os.close(file)
            return {"id": mine.invocation_id, "attempt": attempt, "n": input}
        """;

    /// <summary>Says which process it is, and runs until there is a file.</summary>
    private static string Held(string begun, string go) =>
        $$"""
        import os, time

        def handler(input):
            with open({{Text(begun)}} + ".part", "w") as file:
                file.write(str(os.getpid()))
            os.rename({{Text(begun)}} + ".part", {{Text(begun)}})
            while not os.path.exists({{Text(go)}}):
                time.sleep(0.01)
            return input
        """;

    private static string Text(string path) => JsonValue.Create(path).ToJsonString();

    private static async Task<JsonNode> ResultAsync(RunningServer server, string id)
    {
        using var response = await server.Http.GetAsync(new Uri($"/api/v1/invocations/{id}/result", UriKind.Relative), Cancelled);
        var body = await response.Content.ReadAsStringAsync(Cancelled);
        Assert.True(response.IsSuccessStatusCode, $"{id}: {body}");
        return JsonNode.Parse(body)!;
    }

    /// <summary>Both servers, one of which may be down for a while.</summary>
    private sealed class ServerPair : IAsyncDisposable
    {
        private readonly TemporaryFolder _files = new();
        private readonly PrivatePostgres _postgres;
        private readonly Dictionary<string, string> _environment;
        private readonly RunningServer[] _servers = new RunningServer[2];

        private ServerPair(PrivatePostgres postgres)
        {
            _postgres = postgres;
            _environment = PostgresServerTests.Storage(postgres);
            // Each kill uses up an attempt of what it meets.
            _environment["DORMOUSE_QUEUES__ATTEMPTS"] = "25";
            _environment["DORMOUSE_BLOBS"] = Directory.CreateDirectory(Path.Combine(Files, "blobs")).FullName;
            _environment["DORMOUSE_SECRETS__KEY_FILE"] = Path.Combine(Files, "secrets.key");
            _environment["DORMOUSE_WORKERS__POOL_SIZE"] = "1";
        }

        public string Files => _files.Root;

        public RunningServer this[int index] => Volatile.Read(ref _servers[index]);

        public static async Task<ServerPair> StartAsync()
        {
            PythonApps.NeedPython();
            var pair = new ServerPair(await PostgresServerTests.StartPostgresAsync());
            try
            {
                for (var i = 0; i < pair._servers.Length; i++)
                {
                    pair._servers[i] = await RunningServer.StartAsync(Cancelled, Directory.CreateDirectory(Path.Combine(pair.Files, "data" + i)).FullName, pair._environment);
                }

                return pair;
            }
            catch
            {
                await pair.DisposeAsync();
                throw;
            }
        }

        /// <summary>Deploys a function to the first, and returns when the second has it. It sees the machine's files: what it did is read there.</summary>
        public async Task DeployAsync(string endpoint, string code)
        {
            await CommandRun.DoneAsync(this[0], Cancelled, "deploy", _files.Write(endpoint + "/main.py", code), "--name", endpoint, "--isolation", "process", "--concurrency", "4", "--max-instances", "1");
            await Waiting.UntilAsync(
                async () =>
                {
                    using var response = await this[1].Http.GetAsync(new Uri("/api/v1/endpoints/" + endpoint, UriKind.Relative), Cancelled);
                    return response.IsSuccessStatusCode && JsonNode.Parse(await response.Content.ReadAsStringAsync(Cancelled))!["traffic"]!.AsObject().Count > 0;
                },
                "the second server knows the endpoint", Cancelled);
        }

        public async Task KillAndStartAsync(int index)
        {
            var killed = this[index];
            await killed.KillAsync(Cancelled);
            var next = await RunningServer.StartAsync(Cancelled, killed.Data, _environment);
            Volatile.Write(ref _servers[index], next);
            await killed.DisposeAsync();
        }

        /// <summary>Sends a number to one and the other in turns until one says that it is accepted; returns the id that it said.</summary>
        public async Task<string> AcceptAsync(string endpoint, int number)
        {
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
            for (var turn = number; ; turn++)
            {
                try
                {
                    return await SendAsync(this[turn % 2], endpoint, number, null);
                }
                catch (Exception e) when (e is HttpRequestException or ObjectDisposedException or OperationCanceledException && !Cancelled.IsCancellationRequested)
                {
                    // It was killed in the middle: whether it was accepted the other one knows by the key.
                    await timer.WaitForNextTickAsync(Cancelled);
                }
            }
        }

        public static async Task<string> SendAsync(RunningServer server, string endpoint, int number, string? delay)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/invoke/" + endpoint) { Content = new StringContent(number.ToString(CultureInfo.InvariantCulture), Encoding.UTF8, "application/json") };
            request.Headers.Add("Dormouse-Mode", "async");
            request.Headers.Add("Idempotency-Key", number.ToString(CultureInfo.InvariantCulture));
            if (delay is not null)
            {
                request.Headers.Add("Dormouse-Delay", delay);
            }

            using var response = await server.Http.SendAsync(request, Cancelled);
            Assert.True(response.StatusCode == HttpStatusCode.Accepted, await response.Content.ReadAsStringAsync(Cancelled));
            return response.Headers.GetValues("Dormouse-Invocation-Id").Single();
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var server in _servers)
            {
                if (server is not null)
                {
                    await server.DisposeAsync();
                }
            }

            await _postgres.DisposeAsync();
            _files.Dispose();
        }
    }
}
