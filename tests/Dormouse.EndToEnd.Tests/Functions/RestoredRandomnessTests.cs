using System.Net;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Functions;

/// <summary>Random numbers after a restore, on Debian 13: its C library keeps the state that they are drawn from in memory of the process, which a snapshot has a copy of.</summary>
public sealed class RestoredRandomnessTests
{
    private const string App = """
        import dormouse, random, secrets, time
        app = dormouse.App("dice")

        @app.cls(memory="256MiB", idle_timeout="200ms")
        class Dice:
            @dormouse.enter(snapshot=True)
            def load(self):
                time.sleep(0.25)

            @dormouse.method()
            def throw(self) -> list:
                return [secrets.token_hex(8), str(random.getrandbits(60))]
        """;

    private static readonly Dictionary<string, string> Settings = new() { ["DORMOUSE_WORKERS__TEMPLATES_MEMORY"] = "1GiB", ["DORMOUSE_WORKERS__SNAPSHOT_AFTER"] = "100ms" };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_fork_of_each_restore_of_one_snapshot_draws_others()
    {
        var thrown = new List<string>();
        string data;
        int[] below;
        await using (var server = await Debian13.StartAsync(Settings, data: null, Cancelled))
        {
            data = server.Data;
            await Doctor.NeedSandboxAsync(server, Cancelled);
            using var files = new TemporaryFolder();
            await CommandRun.DoneAsync(server, Cancelled, "deploy", files.Write("app.py", App));
            await ThrowAsync(server, thrown);
            await Waiting.UntilAsync(() => IsKeptAsync(server), "the snapshot is verified", Cancelled);
            below = [.. server.Descendants()];
            await server.KillAsync(Cancelled);
        }

        for (var restart = 0; restart < 2; restart++)
        {
            await Waiting.UntilAsync(() => below.All(id => !Processes.Exists(id)), "launcher and workers ended", Cancelled);
            await using var server = await Debian13.StartAsync(Settings, data, Cancelled);
            Assert.Contains("rung=restore", await ThrowAsync(server, thrown), StringComparison.Ordinal);
            Assert.Contains("rung=fork", await ThrowAsync(server, thrown), StringComparison.Ordinal);
            below = [.. server.Descendants()];
            await server.KillAsync(Cancelled);
        }

        Assert.Equal(10, thrown.Count);
        Assert.Distinct(thrown);
    }

    /// <summary>Of an instance that ends afterwards. Returns how it was started.</summary>
    private static async Task<string> ThrowAsync(RunningServer server, List<string> thrown)
    {
        var call = await PythonApps.CallAsync(server, "dice", "{}", Cancelled);
        Assert.True(call.Status == HttpStatusCode.OK, call.Text);
        thrown.AddRange(call.Json.AsArray().Select(number => number!.GetValue<string>()));
        await Waiting.UntilAsync(async () => (await server.InstancesAsync("dice", Cancelled)).Count == 0, "no instance is left", Cancelled);
        return call.Start;
    }

    private static async Task<bool> IsKeptAsync(RunningServer server)
    {
        var snapshot = (await server.GetAsync("/api/v1/endpoints/dice", Cancelled))["revisions"]![0]!["snapshot"];
        var state = snapshot?["state"]!.GetValue<string>();
        return state == "kept" || (state == "refused" ? throw new InvalidOperationException(snapshot!.ToJsonString()) : false);
    }
}
