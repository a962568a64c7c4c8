using System.Net;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Functions;

/// <summary>What Python code has loaded is there again after a server that was killed, as users have it: with the real CRIU.</summary>
public sealed class SnapshotTests
{
    private const string App = """
        import dormouse, random, time
        try:
            import numpy
        except ImportError:
            numpy = None
        app = dormouse.App("warm")

        @app.cls(memory="256MiB", system_packages=True)
        class Model:
            @dormouse.enter(snapshot=True)
            def load(self):
                time.sleep(0.25)
                self.counter = 41
                self.loaded = random.getrandbits(50)
                self.table = numpy.arange(10.0) if numpy else [float(n) for n in range(10)]

            @dormouse.method()
            def ask(self, by: int = 1) -> list:
                return [self.counter + by, float(sum(self.table)), self.loaded]
        """;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_first_call_after_a_killed_server_finds_what_was_loaded_and_a_damaged_snapshot_is_passed_over()
    {
        PythonApps.NeedPython();
        var environment = Criu();
        using var files = new TemporaryFolder();
        string data;
        int[] below;
        await using (var server = await RunningServer.StartAsync(Cancelled, environment: environment))
        {
            data = server.Data;
            await Doctor.NeedSandboxAsync(server, Cancelled);
            var doctor = await Doctor.CheckAsync(server, "snapshots", Cancelled);
            Assert.True(doctor["status"]!.GetValue<string>() == "ok", doctor.ToJsonString());
            await CommandRun.DoneAsync(server, Cancelled, "deploy", files.Write("app.py", App));
            Right(await PythonApps.CallAsync(server, "warm", """{"by":1}""", Cancelled));
            await KeptAsync(server);
            Assert.Contains("it answers a call as before", (await CommandRun.DoneAsync(server, Cancelled, "describe", "warm")).Output, StringComparison.Ordinal);
            below = [.. server.Descendants()];
            await server.KillAsync(Cancelled);
        }

        await Waiting.UntilAsync(() => below.All(id => !Processes.Exists(id)), "launcher and workers ended", Cancelled);
        var loaded = new List<long>();
        for (var restart = 0; restart < 2; restart++)
        {
            await using var server = await RunningServer.StartAsync(Cancelled, data, environment);
            var call = await PythonApps.CallAsync(server, "warm", """{"by":1}""", Cancelled);
            loaded.Add(Right(call));
            Assert.Contains("rung=restore", call.Start, StringComparison.Ordinal);
            var receipt = await server.GetAsync("/api/v1/invocations/" + call.Invocation, Cancelled);
            Assert.Equal("restore", receipt["rung"]!.GetValue<string>());
            below = [.. server.Descendants()];
            await server.KillAsync(Cancelled);
            await Waiting.UntilAsync(() => below.All(id => !Processes.Exists(id)), "what was restored ended with the server", Cancelled);
        }

        Assert.Equal(loaded[0], loaded[1]);
        Damage(data);
        await using var last = await RunningServer.StartAsync(Cancelled, data, environment);
        var passed = await PythonApps.CallAsync(last, "warm", """{"by":1}""", Cancelled);
        Assert.NotEqual(loaded[0], Right(passed));
        Assert.Contains("why=restore_failed", passed.Start, StringComparison.Ordinal);
        Assert.Equal(1, (await SnapshotAsync(last))!["failed"]!.GetValue<int>());
        Assert.Contains("dormouse_instance_restores_total", await last.Http.GetStringAsync(new Uri("/metrics", UriKind.Relative), Cancelled), StringComparison.Ordinal);

        await CommandRun.DoneAsync(last, Cancelled, "delete", "warm", "--yes");
        await Waiting.UntilAsync(() => Directory.GetDirectories(Path.Combine(data, "snapshots")).Length == 0, "the snapshot went with its endpoint", Cancelled);
        Assert.DoesNotContain(data, await File.ReadAllTextAsync("/proc/self/mounts", Cancelled), StringComparison.Ordinal);
    }

    /// <summary>Settings with the CRIU that <c>./test</c> has made; the test is skipped with a word where there is none.</summary>
    private static Dictionary<string, string> Criu()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            Assert.Skip("CRIU needs root.");
        }

        var root = Path.Combine(Checkout.Root, "artifacts", "debian13");
        if (!File.Exists(Path.Combine(root, "usr", "sbin", "criu")))
        {
            Assert.Skip("There is no artifacts/debian13 with CRIU: ./test makes it where mmdebstrap can.");
        }

        return new() { ["DORMOUSE_WORKERS__CRIU"] = root, ["DORMOUSE_WORKERS__SNAPSHOT_AFTER"] = "1s" };
    }

    private static long Right(FunctionCall call)
    {
        Assert.True(call.Status == HttpStatusCode.OK, call.Text);
        Assert.Equal((42, 45.0), (call.Json[0]!.GetValue<int>(), call.Json[1]!.GetValue<double>()));
        return call.Json[2]!.GetValue<long>();
    }

    private static Task KeptAsync(RunningServer server) => Waiting.UntilAsync(
        async () => await SnapshotAsync(server) is { } snapshot && (snapshot["state"]!.GetValue<string>() == "kept" || (snapshot["state"]!.GetValue<string>() == "refused" ? throw new InvalidOperationException(snapshot.ToJsonString()) : false)),
        "the snapshot is verified",
        Cancelled);

    private static async Task<System.Text.Json.Nodes.JsonNode?> SnapshotAsync(RunningServer server) =>
        (await server.GetAsync("/api/v1/endpoints/warm", Cancelled))["revisions"]![0]!["snapshot"];

    /// <summary>One bit of one page.</summary>
    private static void Damage(string data)
    {
        var pages = Assert.Single(Directory.GetFiles(Path.Combine(data, "snapshots"), "pages-1.img", SearchOption.AllDirectories));
        using var file = new FileStream(pages, FileMode.Open);
        file.Position = file.Length / 2;
        var value = file.ReadByte();
        file.Position--;
        file.WriteByte((byte)(value ^ 1));
    }
}
