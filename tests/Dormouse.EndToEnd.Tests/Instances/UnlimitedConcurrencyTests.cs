using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Functions;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Instances;

/// <summary><c>concurrency: unlimited</c> through the whole server, with a model and with a function.</summary>
public sealed class UnlimitedConcurrencyTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_model_takes_more_calls_than_it_has_cores_and_answers_each()
    {
        var server = fixture.Server;
        var revision = await Digits.DeployAsync(server, "many", Cancelled, new() { ["concurrency"] = 0, ["max_instances"] = 1, ["idle_timeout"] = "10m" });
        Assert.Equal("unlimited", revision["settings"]!["concurrency"]!.GetValue<string>());
        var right = await Digits.AnswersAsync(server, "many", Cancelled);

        await Parallel.ForEachAsync(Enumerable.Range(0, 600), new ParallelOptions { MaxDegreeOfParallelism = 100, CancellationToken = Cancelled }, async (i, cancelled) =>
        {
            var answer = await InferCall.SendAsync(server, "many", [Digits.Input(i)], binary: true, cancelled);
            TensorAssert.Close(right[i % Digits.Kinds], answer["scores"].Doubles(), 1e-5, 1e-5, $"answer {i}");
        });

        Assert.Single(await server.InstancesAsync("many", Cancelled));
    }

    /// <summary>Every call waits until all are there: that they are answered at all shows that all ran at once, in one instance.</summary>
    [Fact]
    public async Task A_function_runs_all_calls_at_once()
    {
        PythonApps.NeedPython();
        const int Calls = 40;
        var server = fixture.Server;
        using var files = new TemporaryFolder();
        var code = $"""
            import threading
            import dormouse
            together = threading.Barrier({Calls})
            app = dormouse.App("meeting")

            @app.function(concurrency="unlimited", max_instances=1, timeout="5m")
            def meet(x: int) -> int:
                together.wait(240)
                return x + 1
            """;
        await CommandRun.DoneAsync(server, Cancelled, "deploy", files.Write("main.py", code), "--name", "meet");

        var answers = await Task.WhenAll(Enumerable.Range(0, Calls).Select(i => PythonApps.CallAsync(server, "meet", $"{{\"x\":{i}}}", Cancelled)));

        Assert.Equal(Enumerable.Range(1, Calls), answers.Select(a => a.Json.GetValue<int>()).Order());
    }
}
