using System.Globalization;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Functions;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Batches;

/// <summary>Batch jobs with a real server that is killed, real workers, and the command line.</summary>
public sealed class BatchJobTests
{
    private const string Picky = """
        import time

        def handler(input):
            time.sleep(0.005)
            if input["n"] % 50 == 0:
                raise ValueError("no multiples of 50")
            return {"twice": 2 * input["n"]}
        """;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_item_has_one_line_in_order_however_often_the_server_is_killed()
    {
        PythonApps.NeedPython();
        const int Items = 300;
        var data = Directory.CreateTempSubdirectory("dormouse-batch-").FullName;
        // Each kill uses up an attempt of what it meets.
        var environment = new Dictionary<string, string> { ["DORMOUSE_QUEUES__ATTEMPTS"] = "4" };
        using var files = new TemporaryFolder();
        var input = files.Write("numbers.jsonl", string.Concat(Enumerable.Range(1, Items).Select(n => n == 7 ? "{\"n\":\n" : string.Create(CultureInfo.InvariantCulture, $"{{\"n\":{n}}}\n"))));
        var id = "";
        foreach (var reached in (int[])[1, Items / 3, Items * 2 / 3])
        {
            await using var server = await RunningServer.StartAsync(Cancelled, data, environment);
            if (id.Length == 0)
            {
                await CommandRun.DoneAsync(server, Cancelled, "deploy", files.Write("main.py", Picky), "--name", "picky", "--concurrency", "2");
                id = (await CommandRun.DoneAsync(server, Cancelled, "batch", "picky", "--input", input, "--detach", "--concurrency", "8")).Output.Trim();
            }

            await Waiting.UntilAsync(async () => await EndedAsync(server, id) >= reached, $"{reached} items have ended", Cancelled);
            await server.KillAsync(Cancelled);
        }

        await using var last = await RunningServer.StartAsync(Cancelled, data, environment);
        var output = Path.Combine(files.Root, "results.jsonl");
        var waited = await CommandRun.OfAsync(last, Cancelled, "batch", "wait", id, "--output", output, "--output", "json");

        // 7 is broken, every 50th fails.
        Assert.Equal((1, "done", Items - 7, 7), (waited.ExitCode, waited.Json["state"]!.GetValue<string>(), waited.Json["succeeded"]!.GetValue<int>(), waited.Json["failed"]!.GetValue<int>()));
        var results = (await File.ReadAllLinesAsync(output, Cancelled)).Select(l => JsonNode.Parse(l)!).ToList();
        Assert.Equal(Enumerable.Range(1, Items), results.Select(r => r["item"]!.GetValue<int>()));
        foreach (var (index, result) in results.Index())
        {
            var n = index + 1;
            if (n == 7 || n % 50 == 0)
            {
                Assert.NotNull(result["error"]!["code"]);
            }
            else
            {
                Assert.Equal(2 * n, result["output"]!["twice"]!.GetValue<int>());
            }
        }

        Assert.Empty((await last.GetAsync("/api/v1/queue", Cancelled))["invocations"]!.AsArray());
        var doctor = await last.GetAsync("/api/v1/doctor?full=true", Cancelled);
        Assert.Equal("ok", doctor["checks"]!.AsArray().Single(c => c!["name"]!.GetValue<string>() == "ledger")!["status"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_table_goes_through_a_model_and_comes_back_as_one_and_a_folder_as_one_item_a_file()
    {
        await using var server = await RunningServer.StartAsync(Cancelled);
        using var files = new TemporaryFolder();
        await server.DeployAsync("count", [("model.onnx", SmallModels.Counter())], Cancelled);
        var table = files.Write("counts.csv", "start,trips\n1.5,2\nmany,2\n10,3\n");
        var output = Path.Combine(files.Root, "out", "counted.csv");

        var run = await CommandRun.OfAsync(server, Cancelled, "batch", "count", "--input", table, "--output", output, "--yes");
        var list = await CommandRun.DoneAsync(server, Cancelled, "batch", "list", "--output", "json");
        var job = list.Json["batches"]![0]!;
        var shown = await CommandRun.DoneAsync(server, Cancelled, "batch", "show", job["id"]!.GetValue<string>());
        var receipts = (await server.GetAsync("/api/v1/endpoints/count/invocations", Cancelled))["invocations"]!.AsArray();

        Assert.True(run.ExitCode == 1, run.Error);
        Assert.Contains("About 3 items", run.Error, StringComparison.Ordinal);
        var lines = await File.ReadAllLinesAsync(output, Cancelled);
        Assert.Equal(4, lines.Length);
        Assert.StartsWith("item,input,", lines[0], StringComparison.Ordinal);
        Assert.Equal(["1,line 2,3.5,", "2,line 3,,", "3,line 4,13,"], lines.Skip(1).Select(l => string.Join(',', l.Split(',').Take(3)) + ","));
        Assert.Contains("Column 'start' is 'many'", lines[2], StringComparison.Ordinal);
        Assert.Contains("2 succeeded, 1 failed", shown.Output, StringComparison.Ordinal);
        Assert.Equal(receipts.Sum(r => r!["price_pico"]!.GetValue<long>()), long.Parse(job["price_pico"]!.GetValue<string>(), CultureInfo.InvariantCulture));

        var folder = Directory.CreateDirectory(Path.Combine(files.Root, "requests")).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "b.json"), Request(5), Cancelled);
        await File.WriteAllTextAsync(Path.Combine(folder, "a.json"), Request(4), Cancelled);
        await File.WriteAllTextAsync(Path.Combine(folder, "c.json"), "no", Cancelled);
        var second = await CommandRun.OfAsync(server, Cancelled, "batch", "count", "--input", Path.Combine(folder, "*.json"), "--output", files.Root, "--yes");

        Assert.True(second.ExitCode == 1, second.Error);
        var results = (await File.ReadAllLinesAsync(Directory.GetFiles(files.Root, "*.results.jsonl").Single(), Cancelled)).Select(l => JsonNode.Parse(l)!).ToList();
        Assert.Equal(["a.json", "b.json", "c.json"], results.Select(r => r["input"]!.GetValue<string>()));
        Assert.Equal([6, 7], results.Take(2).Select(r => r["output"]!["outputs"]![0]!["data"]![0]!.GetValue<double>()));
        Assert.Equal(("request_invalid", 1), (results[2]["error"]!["code"]!.GetValue<string>(), results[2]["error"]!["attempts"]!.GetValue<int>()));
    }

    private static string Request(int start) =>
        $$"""{"inputs":[{"name":"trips","datatype":"INT64","shape":[1],"data":[2]},{"name":"start","datatype":"FP32","shape":[1],"data":[{{start}}]}]}""";

    private static async Task<int> EndedAsync(RunningServer server, string id)
    {
        var job = await server.GetAsync("/api/v1/batches/" + id, Cancelled);
        return job["succeeded"]!.GetValue<int>() + job["failed"]!.GetValue<int>();
    }
}
