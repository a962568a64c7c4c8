using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;
using Dormouse.EndToEnd.Tests.Storage;

namespace Dormouse.EndToEnd.Tests.Queues;

/// <summary>Asynchronous invocations with a real server and real workers that are killed: nothing accepted is lost, each has one answer, and it is the right one.</summary>
public sealed class AsyncDeliveryTests
{
    /// <summary>Long enough that a kill meets some of them in the middle.</summary>
    private const long Trips = 50_000;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("sqlite")]
    [InlineData("postgres")]
    public async Task No_accepted_invocation_is_lost_and_each_has_one_result_however_often_the_server_is_killed(string store)
    {
        await using var postgres = store == "postgres" ? await PostgresServerTests.StartPostgresAsync() : null;
        var environment = postgres is null ? null : PostgresServerTests.Storage(postgres);
        var data = Directory.CreateTempSubdirectory("dormouse-async-").FullName;
        var accepted = new Dictionary<string, int>(StringComparer.Ordinal);
        var results = new Dictionary<string, double>(StringComparer.Ordinal);
        // What is seen of the queue before each kill: all have just been accepted; some are taken or run; some have ended, the next are about to.
        foreach (var isReached in (Func<JsonNode, bool>[])[_ => true, queue => Number(queue, "running") > 0, queue => Number(queue, "queued") <= accepted.Count / 2, queue => Number(queue, "queued") <= 2])
        {
            await using var server = await RunningServer.StartAsync(Cancelled, data, environment);
            if (accepted.Count == 0)
            {
                await server.DeployAsync("count", [("model.onnx", SmallModels.Counter())], Cancelled, new JsonObject { ["concurrency"] = 2, ["max_instances"] = 1 });
            }

            for (var i = 0; i < 12; i++)
            {
                accepted.Add(await AcceptAsync(server, accepted.Count), accepted.Count);
            }

            await Waiting.UntilAsync(
                async () => (await server.GetAsync("/api/v1/endpoints/count", Cancelled))["queue"] is not { } queue || isReached(queue), "the queue is where the server is to be killed", Cancelled);
            foreach (var id in accepted.Keys)
            {
                if (await ResultAsync(server, id) is { } seen)
                {
                    // Once it has a result it is this one.
                    Assert.Equal(seen, results.GetValueOrDefault(id, seen));
                    results[id] = seen;
                }
            }

            await server.KillAsync(Cancelled);
        }

        await using var last = await RunningServer.StartAsync(Cancelled, data, environment);
        foreach (var (id, number) in accepted)
        {
            var ended = await last.GetAsync($"/api/v1/invocations/{id}?wait=60s", Cancelled);
            Assert.True(ended["queue"]!["state"]!.GetValue<string>() == "succeeded", ended.ToJsonString());
            var result = await ResultAsync(last, id);
            Assert.Equal(number + (double)Trips, result);
            Assert.Equal(result, results.GetValueOrDefault(id, result!.Value));
        }

        var doctor = await last.GetAsync("/api/v1/doctor?full=true", Cancelled);
        Assert.Equal("ok", doctor["checks"]!.AsArray().Single(c => c!["name"]!.GetValue<string>() == "ledger")!["status"]!.GetValue<string>());
        var receipts = (await last.GetAsync("/api/v1/endpoints/count/invocations?limit=1000", Cancelled))["invocations"]!.AsArray();
        Assert.Equal(accepted.Keys.Order(StringComparer.Ordinal), receipts.Where(r => r!["outcome"]!.GetValue<string>() == "completed").Select(r => r!["id"]!.GetValue<string>()).Distinct().Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task The_command_line_queues_a_call_waits_for_it_and_shows_where_it_stands()
    {
        await using var server = await RunningServer.StartAsync(Cancelled);
        await Digits.DeployAsync(server, "digits", Cancelled);
        var request = Path.Combine(server.Data, "request.json");
        await File.WriteAllTextAsync(request, $$"""{"inputs":[{{Digits.Input(3).Json(binary: false)}}]}""", Cancelled);

        var now = await CommandRun.DoneAsync(server, Cancelled, "invoke", "digits", "--json", "@" + request);
        var waited = await CommandRun.DoneAsync(server, Cancelled, "invoke", "digits", "--json", "@" + request, "--async", "--wait");
        var queued = await CommandRun.DoneAsync(server, Cancelled, "invoke", "digits", "--json", "@" + request, "--async", "--delay", "1h");
        var id = queued.Output.Trim();
        var status = await CommandRun.DoneAsync(server, Cancelled, "invocation", "status", id);
        var cancelled = await CommandRun.DoneAsync(server, Cancelled, "invocation", "cancel", id);
        var listed = await CommandRun.DoneAsync(server, Cancelled, "queue", "list", "digits", "--state", "cancelled");

        Assert.Equal(Outputs(now.Output), Outputs(waited.Output));
        Assert.Contains($"{id} is queued", status.Output, StringComparison.Ordinal);
        Assert.Contains($"{id} is cancelled", cancelled.Output, StringComparison.Ordinal);
        Assert.Contains(id, listed.Output, StringComparison.Ordinal);
    }

    private static string Outputs(string answer) => JsonNode.Parse(answer)!["outputs"]!.ToJsonString();

    private static long Number(JsonNode queue, string member) => queue[member]!.GetValue<long>();

    /// <summary>Sends one that counts from <paramref name="number"/> and returns its id once it is accepted.</summary>
    private static async Task<string> AcceptAsync(RunningServer server, int number)
    {
        Tensor[] inputs =
        [
            new("trips", "INT64", [1], BitConverter.GetBytes(Trips)),
            new("start", "FP32", [1], BitConverter.GetBytes((float)number)),
        ];
        using var request = InferCall.Request("count", inputs, binary: false);
        request.Headers.Add("Dormouse-Mode", "async");
        // Each kill uses up an attempt of what it meets.
        request.Headers.Add("Dormouse-Attempts", "10");
        using var response = await server.Http.SendAsync(request, Cancelled);
        Assert.True(response.StatusCode == HttpStatusCode.Accepted, await response.Content.ReadAsStringAsync(Cancelled));
        return response.Headers.GetValues("Dormouse-Invocation-Id").Single();
    }

    /// <summary>The number that it counted to; null when it has no result yet.</summary>
    private static async Task<double?> ResultAsync(RunningServer server, string id)
    {
        using var response = await server.Http.GetAsync(new Uri($"/api/v1/invocations/{id}/result", UriKind.Relative), Cancelled);
        var body = await response.Content.ReadAsStringAsync(Cancelled);
        if (response.StatusCode == HttpStatusCode.Conflict)
        {
            return null;
        }

        Assert.True(response.IsSuccessStatusCode, string.Create(CultureInfo.InvariantCulture, $"{id} answered {(int)response.StatusCode}: {body}"));
        return JsonNode.Parse(body)!["outputs"]![0]!["data"]![0]!.GetValue<double>();
    }
}
