using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Functions;

/// <summary>Python code deployed and called as users do it, with the real runner.</summary>
public sealed class DeployedAppTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private RunningServer Server => fixture.Server;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_app_of_three_functions_becomes_three_endpoints_that_answer_stream_refuse_and_fail_in_plain_words()
    {
        PythonApps.NeedPython();
        using var files = new TemporaryFolder();
        var app = files.Write("app.py", PythonApps.Shop);
        files.Write("__pycache__/app.cpython-311.pyc", "junk");
        files.Write(".git/config", "secret");
        files.Write("notes/big.bin", "left out");
        files.Write(".dormouseignore", "# not needed\nnotes/\n");

        var deployed = await CommandRun.DoneAsync(Server, Cancelled, "deploy", app, "--output", "json");

        var endpoints = deployed.Json["endpoints"]!.AsArray();
        Assert.Equal(["shop-price", "shop-counted", "shop-slow"], endpoints.Select(e => e!["endpoint"]!["name"]!.GetValue<string>()));
        var revision = endpoints[0]!["revisions"]![0]!;
        Assert.Equal(["app.py"], revision["files"]!.AsArray().Select(f => f!["path"]!.GetValue<string>()));
        Assert.Equal(("python", "app.py::price", "192MiB", "fast"), (Text(revision, "runtime"), Text(revision, "handler"), Text(revision, "memory"), revision["settings"]!["environment"]!["MODE"]!.GetValue<string>()));

        // From zero, then warm.
        var first = await PythonApps.CallAsync(Server, "shop-price", """{"item":"tea","count":3}""", Cancelled);
        Assert.Equal((HttpStatusCode.OK, "7.5"), (first.Status, first.Text.Trim()));
        Assert.StartsWith("cold; cause=first", first.Start, StringComparison.Ordinal);
        var second = await PythonApps.CallAsync(Server, "shop-price", """{"item":"tea"}""", Cancelled);
        Assert.Equal(("2.5", "warm"), (second.Text.Trim(), second.Start));
        var receipt = await Server.GetAsync("/api/v1/invocations/" + first.Invocation, Cancelled);
        Assert.Equal(("completed", 192), (receipt["outcome"]!.GetValue<string>(), receipt["memory_mib"]!.GetValue<int>()));
        Assert.True(receipt["load_ms"]!.GetValue<double>() > 0);

        // What does not fit, and what fails.
        var unfit = await PythonApps.CallAsync(Server, "shop-price", """{"item":"tea","count":"many"}""", Cancelled);
        Assert.Equal((HttpStatusCode.UnprocessableEntity, "input_invalid", "count"), (unfit.Status, unfit.Code, unfit.Json["field"]!.GetValue<string>()));
        var failed = await PythonApps.CallAsync(Server, "shop-price", """{"item":"nothing"}""", Cancelled);
        Assert.Equal((HttpStatusCode.InternalServerError, "run_failed"), (failed.Status, failed.Code));
        Assert.Contains("ValueError: nothing costs nothing", failed.Json["detail"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal(failed.Invocation, failed.Json["invocation_id"]!.GetValue<string>());
        Assert.Equal("failed", (await Server.GetAsync("/api/v1/invocations/" + failed.Invocation, Cancelled))["outcome"]!.GetValue<string>());
        await Waiting.UntilAsync(async () => (await PythonApps.LogsAsync(Server, "shop-price", Cancelled)).Contains("nothing costs nothing", StringComparison.Ordinal), "the traceback is in the logs", Cancelled);
        Assert.Contains("asked for tea", await PythonApps.LogsAsync(Server, "shop-price", Cancelled), StringComparison.Ordinal);
        var own = (await CommandRun.DoneAsync(Server, Cancelled, "logs", "--invocation", failed.Invocation)).Output;
        Assert.Contains("asked for nothing", own, StringComparison.Ordinal);
        Assert.Contains("ValueError: nothing costs nothing", own, StringComparison.Ordinal);
        Assert.DoesNotContain("asked for tea", own, StringComparison.Ordinal);

        // Streams, as lines and as events.
        var lines = await PythonApps.CallAsync(Server, "shop-counted", """{"until":4}""", Cancelled);
        Assert.Equal(["0", "1", "2", "3"], lines.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri("/invoke/shop-counted", UriKind.Relative)) { Content = PythonApps.Json("""{"until":2}""") };
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        using var events = await Server.Http.SendAsync(request, Cancelled);
        Assert.Contains("data: 1", await events.Content.ReadAsStringAsync(Cancelled), StringComparison.Ordinal);

        // Shown to people and programs.
        var described = (await CommandRun.DoneAsync(Server, Cancelled, "describe", "shop-price")).Output;
        Assert.Contains("item: string, count?: integer", described, StringComparison.Ordinal);
        Assert.Contains("/invoke/shop-price", described, StringComparison.Ordinal);
        var metadata = await Server.GetAsync("/v2/models/shop-price", Cancelled);
        Assert.Equal("integer", metadata["function"]!["input"]!["properties"]!["count"]!["type"]!.GetValue<string>());
        using var tensors = await Server.PostAsync("/v2/models/shop-price/infer", new JsonObject { ["inputs"] = new JsonArray() }, Cancelled);
        Assert.Equal(HttpStatusCode.NotImplemented, tensors.StatusCode);
        var invoked = await CommandRun.DoneAsync(Server, Cancelled, "invoke", "shop-price", "--json", """{"item":"tea","count":2}""");
        Assert.Equal("5.0", invoked.Output.Trim());
    }

    [Fact]
    public async Task A_caller_who_hangs_up_ends_an_async_function_and_frees_its_slot()
    {
        PythonApps.NeedPython();
        using var files = new TemporaryFolder();
        await CommandRun.DoneAsync(Server, Cancelled, "deploy", files.Write("app.py", PythonApps.Shop), "--handler", "app.py::slow", "--name", "hangup", "--concurrency", "1", "--max-instances", "1");
        using var leaving = new CancellationTokenSource();
        var call = Server.Http.PostAsync(new Uri("/invoke/hangup", UriKind.Relative), PythonApps.Json("""{"seconds":600}"""), leaving.Token);
        await Waiting.UntilAsync(async () => (await PythonApps.LogsAsync(Server, "hangup", Cancelled)).Contains("sleeping", StringComparison.Ordinal), "the function runs", Cancelled);

        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);

        // Its slot is the only one: the next call would wait for ten minutes.
        var next = await PythonApps.CallAsync(Server, "hangup", """{"seconds":0}""", Cancelled);
        Assert.Equal("\"done\"", next.Text.Trim());
        await Waiting.UntilAsync(async () => (await PythonApps.LogsAsync(Server, "hangup", Cancelled)).Contains("cancelled", StringComparison.Ordinal), "the function says that it was cancelled", Cancelled);
        await Waiting.UntilAsync(
            async () => (await Server.GetAsync("/api/v1/endpoints/hangup/invocations", Cancelled))["invocations"]!.AsArray().Any(r => r!["outcome"]!.GetValue<string>() == "caller_left"),
            "the receipt says that its caller left", Cancelled);
    }

    [Fact]
    public async Task Code_without_the_sdk_is_deployed_again_and_broken_code_leaves_what_served()
    {
        PythonApps.NeedPython();
        using var files = new TemporaryFolder();
        files.Write("main.py", PythonApps.Plain("first"));
        await CommandRun.DoneAsync(Server, Cancelled, "deploy", files.Root, "--name", "plain");
        Assert.Equal("first", (await PythonApps.CallAsync(Server, "plain", """{"a":[1,2]}""", Cancelled)).Json["word"]!.GetValue<string>());

        files.Write("main.py", PythonApps.Plain("second"));
        await CommandRun.DoneAsync(Server, Cancelled, "deploy", files.Root, "--name", "plain");
        Assert.Equal("second", (await PythonApps.CallAsync(Server, "plain", "[]", Cancelled)).Json["word"]!.GetValue<string>());

        files.Write("main.py", "import os\n\ndef handler(input):\n    return 1 +\n");
        var broken = await CommandRun.OfAsync(Server, Cancelled, "deploy", files.Root, "--name", "plain");
        broken.AssertExit(4);
        Assert.Contains("main.py", broken.Error, StringComparison.Ordinal);
        Assert.Contains("4", broken.Error, StringComparison.Ordinal);
        Assert.Contains("SyntaxError", broken.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("/proc/", broken.Error, StringComparison.Ordinal);
        Assert.Equal("second", (await PythonApps.CallAsync(Server, "plain", "[]", Cancelled)).Json["word"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("main.py", "def handle(event, context):\n    return [event['x'] * 2, context.invocation_id]\n", "", """{"x":21}""", "[42,")]
    [InlineData("handler.py", "class EndpointHandler:\n    def __init__(self, path=''):\n        self.factor = 2\n    def __call__(self, data):\n        return {'twice': data['inputs'] * self.factor}\n", "", """{"inputs":21}""", "42")]
    [InlineData("predict.py", "from cog import BasePredictor, Input\n\nclass Predictor(BasePredictor):\n    def setup(self):\n        self.factor = 2\n    def predict(self, x: int = Input(ge=0)) -> int:\n        return x * self.factor\n",
        "predict: predict.py:Predictor\n", """{"input":{"x":21}}""", "42")]
    public async Task Handlers_in_the_shapes_of_other_products_deploy_the_same_way(string file, string code, string cog, string input, string answer)
    {
        PythonApps.NeedPython();
        using var files = new TemporaryFolder();
        files.Write(file, code);
        var path = "";
        if (cog.Length > 0)
        {
            files.Write("cog.yaml", cog);
            path = "/predictions";
        }

        var name = "shape-" + file[..file.IndexOf('.', StringComparison.Ordinal)];
        await CommandRun.DoneAsync(Server, Cancelled, "deploy", files.Root, "--name", name, "--memory", "192MiB");

        var call = await PythonApps.CallAsync(Server, name + path, input, Cancelled);
        Assert.True(call.Status is HttpStatusCode.OK, call.Text);
        Assert.Contains(answer, call.Text.Replace(" ", "", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_local_entry_point_calls_the_servers_functions()
    {
        PythonApps.NeedPython();
        using var files = new TemporaryFolder();
        var app = files.Write("app.py", """
            import sys
            import dormouse

            app = dormouse.App("entered")

            @app.function(memory="128MiB")
            def twice(n: int) -> int:
                return n * 2

            @app.local_entrypoint()
            def main(n: int):
                print("twice is", twice.remote(n))
                sys.exit(7 if n == 0 else 0)
            """);
        await CommandRun.DoneAsync(Server, Cancelled, "deploy", app);

        var run = await CommandRun.DoneAsync(Server, Cancelled, "run", app + "::main", "--", "--n", "21");
        Assert.Contains("twice is 42", run.Output, StringComparison.Ordinal);
        (await CommandRun.OfAsync(Server, Cancelled, "run", app + "::main", "--", "--n", "0")).AssertExit(7);
    }

    [Fact]
    public async Task The_sdk_maps_streams_spawns_and_cancels_on_a_real_server()
    {
        PythonApps.NeedPython();
        using var files = new TemporaryFolder();
        var app = files.Write("app.py", """
            import asyncio
            import dormouse

            app = dormouse.App("called")

            @app.function(memory="128MiB", concurrency=4)
            def add(a: int, b: int = 1) -> int:
                return a + b

            @app.function(memory="128MiB")
            def count(until: int):
                yield from range(until)

            @app.function(memory="128MiB", concurrency=2)
            async def wait(seconds: float) -> str:
                await asyncio.sleep(seconds)
                return "waited"

            @app.local_entrypoint()
            def main():
                print("local", add.local(1))
                print("map", list(add.map([1, 2, 3])))
                print("starmap", list(add.starmap([(1, 2), (3, 4)])))
                print("streamed", list(count.remote_gen(3)))
                spawned = add.spawn(20, 22)
                print("spawned", spawned.get(timeout=60), spawned.state(), dormouse.Handle(spawned.id).get(), spawned.cancel())
                left = wait.spawn(50)
                print("cancelled", left.cancel(), left.state())
                try:
                    left.get(timeout=60)
                except dormouse.RemoteCancelled:
                    print("its result is not to be had")
            """);
        await CommandRun.DoneAsync(Server, Cancelled, "deploy", app);

        var run = await CommandRun.DoneAsync(Server, Cancelled, "run", app + "::main");

        Assert.Equal(
            ["local 2", "map [2, 3, 4]", "starmap [3, 7]", "streamed [0, 1, 2]", "spawned 42 succeeded 42 False", "cancelled True cancelled", "its result is not to be had"],
            run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task An_app_changes_as_a_whole_or_not_at_all()
    {
        PythonApps.NeedPython();
        using var files = new TemporaryFolder();
        var app = files.Write("app.py", Both(1, "128MiB"));
        await CommandRun.DoneAsync(Server, Cancelled, "deploy", app);

        // More memory than any machine has is seen only by the server, after the first function was accepted.
        files.Write("app.py", Both(11, "60000GiB"));
        var refused = await CommandRun.OfAsync(Server, Cancelled, "deploy", app);

        refused.AssertExit(4);
        Assert.Contains("Nothing of the app has changed", refused.Error, StringComparison.Ordinal);
        Assert.Equal("1", (await PythonApps.CallAsync(Server, "both-one", "{}", Cancelled)).Text.Trim());
    }

    [Fact]
    public async Task The_wanted_state_holds_functions_and_is_idempotent()
    {
        PythonApps.NeedPython();
        using var files = new TemporaryFolder();
        files.Write("code/app.py", PythonApps.Shop);
        var wanted = files.Write("dormouse.yaml", """
            endpoints:
              wanted-price:
                source: code/app.py
                handler: app.py::price
                env: { MODE: slow }
            """);
        await CommandRun.DoneAsync(Server, Cancelled, "apply", "-f", wanted);

        var settings = (await Server.GetAsync("/api/v1/endpoints/wanted-price", Cancelled))["revisions"]![0]!["settings"]!;
        Assert.Equal(("python", "192MiB", "slow"), (settings["runtime"]!.GetValue<string>(), settings["memory"]!.GetValue<string>(), settings["environment"]!["MODE"]!.GetValue<string>()));
        Assert.Equal("5.0", (await PythonApps.CallAsync(Server, "wanted-price", """{"item":"tea","count":2}""", Cancelled)).Text.Trim());
        await CommandRun.DoneAsync(Server, Cancelled, "diff", "-f", wanted);
    }

    [Fact]
    public async Task What_a_decorator_asks_for_and_cannot_have_is_refused_by_name()
    {
        PythonApps.NeedPython();
        using var files = new TemporaryFolder();
        var app = files.Write("app.py", """
            import dormouse
            app = dormouse.App("asks")

            @app.function(pip=["left-pad"])
            def f(): return 1
            """);

        var refused = await CommandRun.OfAsync(Server, Cancelled, "deploy", app);

        refused.AssertExit(4);
        Assert.Contains("pip", refused.Error, StringComparison.Ordinal);
        (await CommandRun.OfAsync(Server, Cancelled, "describe", "asks")).AssertExit(3);
    }

    [Fact]
    public async Task Doctor_says_which_python_was_found_and_that_it_can_be_forked()
    {
        PythonApps.NeedPython();
        await Waiting.UntilAsync(
            async () => (await Server.GetAsync("/api/v1/doctor", Cancelled))["checks"]!.AsArray()
                .Any(c => c!["name"]!.GetValue<string>() == "python" && c["status"]!.GetValue<string>() == "ok" && c["detail"]!.GetValue<string>().Contains("Python 3.", StringComparison.Ordinal)),
            "the interpreter was asked", Cancelled);
        var templates = await Doctor.CheckAsync(Server, "templates", Cancelled);
        Assert.True(templates["status"]!.GetValue<string>() == "ok", templates.ToJsonString());
    }

    private static string Both(int one, string memoryOfTwo) => $"""
        import dormouse
        app = dormouse.App("both")

        @app.function(memory="128MiB")
        def one(): return {one}

        @app.function(memory="{memoryOfTwo}")
        def two(): return 2
        """;

    private static string Text(JsonNode revision, string setting) => revision["settings"]![setting]!.GetValue<string>();
}
