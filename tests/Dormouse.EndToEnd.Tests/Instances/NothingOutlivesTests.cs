using Dormouse.EndToEnd.Tests.Inference;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Instances;

/// <summary>No process, socket, file, cgroup or mount is left of what ended, however it ended.</summary>
public sealed class NothingOutlivesTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_killed_server_leaves_no_process_socket_or_cgroup()
    {
        await using var server = await RunningServer.StartAsync(Cancelled);
        await Digits.DeployAsync(server, "left", Cancelled);
        await InferCall.SendAsync(server, "left", [Digits.Input(1)], binary: true, Cancelled);
        var below = server.Descendants();
        var sockets = Sockets(below);
        Assert.NotEmpty(sockets);
        var cgroups = Cgroups(server.Workers());

        await server.KillAsync(Cancelled);

        await Waiting.UntilAsync(() => below.All(id => !Processes.Exists(id)), "launcher and workers ended", Cancelled);
        await Waiting.UntilAsync(() => sockets.All(s => !File.Exists(s)), $"the sockets {string.Join(", ", sockets)} are gone", Cancelled);
        await Waiting.UntilAsync(() => cgroups.All(c => !Directory.Exists(c)), "the cgroups are gone", Cancelled);
    }

    [Fact]
    public async Task A_killed_launcher_takes_its_workers_along_and_is_replaced()
    {
        await using var server = await RunningServer.StartAsync(Cancelled);
        await Digits.DeployAsync(server, "replaced", Cancelled);
        var right = (await InferCall.SendAsync(server, "replaced", [Digits.Input(5)], binary: true, Cancelled))["scores"].Doubles();
        var launcher = server.Launcher();
        var workers = server.Workers();
        Assert.NotEmpty(workers);

        Processes.Signal(launcher, "KILL");

        await Waiting.UntilAsync(() => workers.All(w => !Processes.Exists(w)), "the workers ended", Cancelled);
        var again = (await InferCall.SendAsync(server, "replaced", [Digits.Input(5)], binary: true, Cancelled))["scores"].Doubles();
        TensorAssert.Close(right, again, 1e-5, 1e-5, "scores");
        Assert.NotEqual(launcher, server.Launcher());
    }

    [Fact]
    public async Task An_idle_instance_leaves_nothing_and_the_next_call_starts_it_again()
    {
        await using var server = await RunningServer.StartAsync(Cancelled, environment: new Dictionary<string, string> { ["DORMOUSE_WORKERS__POOLSIZE"] = "0" });
        await Digits.DeployAsync(server, "idle", Cancelled, new() { ["idle_timeout"] = "300ms" });
        await InferCall.SendAsync(server, "idle", [Digits.Input(1)], binary: true, Cancelled);

        await Waiting.UntilAsync(async () => (await server.InstancesAsync("idle", Cancelled)).Count == 0, "the endpoint is at zero", Cancelled);
        await Waiting.UntilAsync(() => server.Workers().Count == 0, "no worker is left", Cancelled);
        Assert.DoesNotContain(Sockets(server.Descendants()), s => Path.GetFileName(s).StartsWith('w'));

        using var request = InferCall.Request("idle", [Digits.Input(1)], binary: true);
        using var response = await server.Http.SendAsync(request, Cancelled);
        var start = response.Headers.GetValues("Dormouse-Start").Single();
        Assert.Contains("cold", start, StringComparison.Ordinal);
        Assert.Contains("cause=idle", start, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ctrl_C_ends_the_server_with_everything_below_it()
    {
        await using var server = await RunningServer.StartAsync(Cancelled);
        await Digits.DeployAsync(server, "ended", Cancelled);
        await InferCall.SendAsync(server, "ended", [Digits.Input(1)], binary: true, Cancelled);
        var below = server.Descendants();

        var code = await server.StopAsync(Cancelled);

        Assert.Contains(code, new[] { 0, 130 });
        await Waiting.UntilAsync(() => below.All(id => !Processes.Exists(id)), "launcher and workers ended", Cancelled);
        Assert.False(File.Exists(Path.Combine(server.Data, "server.json")));
    }

    /// <summary>Socket paths named in the command lines of these processes.</summary>
    private static string[] Sockets(IEnumerable<int> processes) =>
        [.. processes.Select(Processes.CommandLine).Where(c => c.Contains("--socket ", StringComparison.Ordinal)).Select(c => c.Split("--socket ")[1].Split(' ')[0])];

    /// <summary>Folders of the cgroups of these processes that are the product's own.</summary>
    private static string[] Cgroups(IEnumerable<int> processes) =>
        [.. processes.SelectMany(id => Processes.Read($"/proc/{id}/cgroup").Split('\n', StringSplitOptions.RemoveEmptyEntries))
            .Select(l => l.Split(':', 3)).Where(p => p[2].Contains("dormouse", StringComparison.Ordinal))
            .Select(p => "/sys/fs/cgroup/" + p[1].Replace("name=", "", StringComparison.Ordinal) + p[2]).Distinct()];
}
