using System.Net;
using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Functions;

/// <summary>Functions with an ONNX Runtime session of Python's, on a Debian 13 of their own, since Debian 12 has none.</summary>
public sealed class OnnxTemplateTests
{
    private const string Threads = "options.intra_op_num_threads = options.inter_op_num_threads = 1";

    private const string App = $$"""
        import dormouse
        import numpy
        import onnxruntime

        app = dormouse.App("scores")

        @app.cls(memory="512MiB", idle_timeout="200ms")
        class Model:
            @dormouse.enter(snapshot=True)
            def load(self):
                options = onnxruntime.SessionOptions()
                {{Threads}}
                self.session = onnxruntime.InferenceSession("model.onnx", options, providers=["CPUExecutionProvider"])

            @dormouse.method()
            def scores(self, ink: int) -> list:
                image = numpy.zeros((1, 1, 8, 8), numpy.float32)
                image.flat[ink] = 1
                return self.session.run(None, {"image": image})[0][0].tolist()
        """;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_fork_answers_with_the_session_that_its_template_made()
    {
        await using var server = await StartAsync();
        await Digits.DeployAsync(server, "expected", Cancelled);
        await DeployAsync(server, App);

        var fork = await UntilStartsAsync(server, "rung=fork");

        Assert.Equal("fork", (await server.GetAsync("/api/v1/invocations/" + fork.Invocation, Cancelled))["rung"]!.GetValue<string>());
        foreach (var ink in (int[])[0, 20, 63])
        {
            var call = await PythonApps.CallAsync(server, "scores", $$"""{"ink":{{ink}}}""", Cancelled);
            Assert.True(call.Status == HttpStatusCode.OK, call.Text);
            var expected = (await InferCall.SendAsync(server, "expected", [Digits.Input(ink)], binary: true, Cancelled))["scores"].Doubles();
            TensorAssert.Close(expected, [.. call.Json.AsArray().Select(score => score!.GetValue<double>())], 1e-4, 1e-5, "scores");
        }
    }

    [Fact]
    public async Task A_session_with_threads_of_its_own_has_no_template_and_is_told_how_to_get_one()
    {
        await using var server = await StartAsync();
        await DeployAsync(server, App.Replace(Threads, "options.intra_op_num_threads = 3", StringComparison.Ordinal));

        var plain = await UntilStartsAsync(server, "why=template_refused");

        Assert.Equal("template_refused", (await server.GetAsync("/api/v1/invocations/" + plain.Invocation, Cancelled))["rung_reason"]!.GetValue<string>());
        var template = (await server.GetAsync("/api/v1/endpoints/scores", Cancelled))["revisions"]![0]!["template"]!;
        Assert.Equal("refused", template["state"]!.GetValue<string>());
        Assert.Contains("intra_op_num_threads = 1", template["reason"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    private static Task<RunningServer> StartAsync() => Debian13.StartAsync(new Dictionary<string, string> { ["DORMOUSE_WORKERS__TEMPLATES_MEMORY"] = "1GiB" }, data: null, Cancelled);

    private static async Task DeployAsync(RunningServer server, string app)
    {
        using var files = new TemporaryFolder();
        files.Write("app.py", app);
        files.Write("model.onnx", await File.ReadAllBytesAsync(Checkout.DigitsModel, Cancelled));
        await CommandRun.DoneAsync(server, Cancelled, "deploy", files.Root, "--runtime", "python");
    }

    /// <summary>When a template is ready, or refused, nobody announces: it is called from zero until a start says so.</summary>
    private static async Task<FunctionCall> UntilStartsAsync(RunningServer server, string how)
    {
        FunctionCall? last = null;
        await Waiting.UntilAsync(
            async () =>
            {
                last = await PythonApps.CallAsync(server, "scores", """{"ink":1}""", Cancelled);
                Assert.True(last.Status == HttpStatusCode.OK, last.Text);
                await Waiting.UntilAsync(async () => (await server.InstancesAsync("scores", Cancelled)).Count == 0, "no instance is left", Cancelled);
                return last.Start.Contains(how, StringComparison.Ordinal);
            },
            $"a start says '{how}'", Cancelled);
        return last!; // Not null: the wait ended.
    }
}
