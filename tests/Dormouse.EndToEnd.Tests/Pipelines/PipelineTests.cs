using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Functions;
using Dormouse.EndToEnd.Tests.Running;
using Dormouse.EndToEnd.Tests.Storage;

namespace Dormouse.EndToEnd.Tests.Pipelines;

/// <summary>Pipelines over real models and functions, with a server that is killed in the middle.</summary>
public sealed class PipelineTests
{
    private const long ShortTrips = 1_000;

    /// <summary>Long enough that a kill meets it in the middle.</summary>
    private const long LongTrips = 2_000_000;

    /// <summary>Counts, then counts on from there.</summary>
    private static readonly string CountTwice = $$"""
        steps:
          first:
            endpoint: first
            input:
              inputs:
                - { name: trips, datatype: INT64, shape: [1], data: [{{ShortTrips}}] }
                - { name: start, datatype: FP32, shape: [1], data: ["$.input.start"] }
          second:
            endpoint: second
            input:
              inputs:
                - { name: trips, datatype: INT64, shape: [1], data: [{{LongTrips}}] }
                - { name: start, datatype: FP32, shape: [1], data: "$.steps.first.output.outputs[0].data" }
        output: { counted: "$.steps.second.output.outputs[0].data[0]" }
        """;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("sqlite")]
    [InlineData("postgres")]
    public async Task A_queued_run_goes_on_at_its_step_when_the_server_is_killed(string store)
    {
        await using var postgres = store == "postgres" ? await PostgresServerTests.StartPostgresAsync() : null;
        var environment = postgres is null ? null : PostgresServerTests.Storage(postgres);
        var data = Directory.CreateTempSubdirectory("dormouse-pipeline-").FullName;
        string id;
        await using (var server = await RunningServer.StartAsync(Cancelled, data, environment))
        {
            await server.DeployAsync("first", [("model.onnx", SmallModels.Counter())], Cancelled);
            await server.DeployAsync("second", [("model.onnx", SmallModels.Counter())], Cancelled);
            await DeployAsync(server, "twice", CountTwice);
            using var request = new HttpRequestMessage(HttpMethod.Post, "/invoke/twice") { Content = new StringContent("""{"start": 5}""", Encoding.UTF8, "application/json") };
            request.Headers.Add("Dormouse-Mode", "async");
            using var accepted = await server.Http.SendAsync(request, Cancelled);
            Assert.True(accepted.StatusCode == HttpStatusCode.Accepted, await accepted.Content.ReadAsStringAsync(Cancelled));
            id = accepted.Headers.GetValues("Dormouse-Invocation-Id").Single();
            await Waiting.UntilAsync(async () => Steps(await server.GetAsync($"/api/v1/invocations/{id}", Cancelled)).Contains("first"), "the first step has ended", Cancelled);
            // A later revision does not change a run that has begun.
            await DeployAsync(server, "twice", CountTwice.Replace("counted:", "other:", StringComparison.Ordinal));
            await server.KillAsync(Cancelled);
        }

        await using var last = await RunningServer.StartAsync(Cancelled, data, environment);
        var ended = await last.GetAsync($"/api/v1/invocations/{id}?wait=60s", Cancelled);
        var result = await last.GetAsync($"/api/v1/invocations/{id}/result", Cancelled);

        Assert.True(ended["queue"]!["state"]!.GetValue<string>() == "succeeded", ended.ToJsonString());
        Assert.Equal(5 + ShortTrips + LongTrips, result["counted"]!.GetValue<double>());
        Assert.Equal(("r1", "completed"), (ended["revision"]!.GetValue<string>(), ended["outcome"]!.GetValue<string>()));
        Assert.Equal(["first", "second"], Steps(ended));
        Assert.Single((await last.GetAsync("/api/v1/endpoints/first/invocations", Cancelled))["invocations"]!.AsArray());
        await AssertSumAsync(last, ended);
    }

    [Fact]
    public async Task The_command_line_deploys_calls_and_shows_a_pipeline_of_functions_and_models()
    {
        PythonApps.NeedPython();
        await using var server = await RunningServer.StartAsync(Cancelled);
        await server.DeployAsync("count", [("model.onnx", SmallModels.Counter())], Cancelled);
        var folder = Directory.CreateDirectory(Path.Combine(server.Data, "files")).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "word.py"), PythonApps.Plain("got"), Cancelled);
        await File.WriteAllTextAsync(Path.Combine(folder, "flow.yaml"), """
            steps:
              count:
                endpoint: count
                map: $.input.starts
                input: { inputs: [{ name: trips, datatype: INT64, shape: [1], data: [10] }, { name: start, datatype: FP32, shape: [1], data: [$.item] }] }
              many:
                endpoint: word
                when: { input: { word: [{ exists: true }] } }
                input: { word: $.input.word, run: $.run.id }
                after: count
            output: { counted: $.steps.count.output, said: $.steps.many.output.got.word, state: $.steps.many.state }
            """, Cancelled);
        var wanted = Path.Combine(folder, "dormouse.yaml");
        await File.WriteAllTextAsync(wanted, "endpoints:\n  flow: { source: flow.yaml, timeout: 2m }\n  word: { source: word.py }\n", Cancelled);

        var missing = await CommandRun.OfAsync(server, Cancelled, "deploy", Path.Combine(folder, "flow.yaml"));
        var made = await CommandRun.DoneAsync(server, Cancelled, "apply", "-f", wanted);
        var again = await CommandRun.DoneAsync(server, Cancelled, "diff", "-f", wanted);
        var shown = await CommandRun.DoneAsync(server, Cancelled, "describe", "flow");
        var answer = await CommandRun.DoneAsync(server, Cancelled, "invoke", "flow", "--json", """{"starts": [1, 2], "word": "hi"}""");
        using var called = await server.PostAsync("/invoke/flow", JsonNode.Parse("""{"starts": [1]}"""), Cancelled);
        var receipt = await server.GetAsync($"/api/v1/invocations/{called.Headers.GetValues("Dormouse-Invocation-Id").Single()}", Cancelled);

        Assert.NotEqual(0, missing.ExitCode);
        Assert.Contains("pipeline.steps.many.endpoint is 'word', which there is not", missing.Error, StringComparison.Ordinal);
        Assert.Contains("flow: made, r1", made.Output, StringComparison.Ordinal);
        Assert.Contains("2 steps: count, many", made.Output, StringComparison.Ordinal);
        Assert.Contains("for each of $.input.starts, 8 at once", shown.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("→", again.Output, StringComparison.Ordinal);
        var document = JsonNode.Parse(answer.Output)!;
        Assert.Equal([11, 12], document["counted"]!.AsArray().Select(c => c!["outputs"]![0]!["data"]![0]!.GetValue<double>()));
        Assert.Equal(("hi", "succeeded"), (document["said"]!.GetValue<string>(), document["state"]!.GetValue<string>()));
        Assert.Equal("skipped", JsonNode.Parse(await called.Content.ReadAsStringAsync(Cancelled))!["state"]!.GetValue<string>());
        Assert.Equal(("completed", 200), (receipt["outcome"]!.GetValue<string>(), receipt["status"]!.GetValue<int>()));
        Assert.Equal(["count[0]"], Steps(receipt));
        await AssertSumAsync(server, receipt);
    }

    /// <summary>The receipt of a run is the sum of those that its parts lead to.</summary>
    private static async Task AssertSumAsync(RunningServer server, JsonNode run)
    {
        var sum = 0L;
        foreach (var part in run["parts"]!.AsArray())
        {
            var receipt = await server.GetAsync($"/api/v1/invocations/{part!["id"]!.GetValue<string>()}", Cancelled);
            Assert.Equal(receipt["endpoint"]!.GetValue<string>(), part["endpoint"]!.GetValue<string>());
            sum += receipt["price_pico"]!.GetValue<long>();
        }

        Assert.True(sum > 0, run.ToJsonString());
        Assert.Equal(sum.ToString(CultureInfo.InvariantCulture), run["price_pico"]!.GetValue<long>().ToString(CultureInfo.InvariantCulture));
    }

    private static string[] Steps(JsonNode receipt) => [.. (receipt["parts"]?.AsArray() ?? []).Select(p => p!["step"]!.GetValue<string>())];

    private static Task<JsonNode> DeployAsync(RunningServer server, string name, string definition) =>
        server.DeployAsync(name, [("pipeline.yaml", Encoding.UTF8.GetBytes(definition))], Cancelled, new JsonObject { ["runtime"] = "pipeline" });
}
