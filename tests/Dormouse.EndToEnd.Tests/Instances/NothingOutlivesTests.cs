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
        using var places = new TemporaryFolder();
        await using var server = await StartAsync(places, poolSize: 2);
        await Digits.DeployAsync(server, "left", Cancelled);
        await InferCall.SendAsync(server, "left", [Digits.Input(1)], binary: true, Cancelled);
        var below = server.Descendants();
        Assert.NotEmpty(Sockets(places));
        var cgroups = Cgroups(server.Workers());

        await server.KillAsync(Cancelled);

        await Waiting.UntilAsync(() => below.All(id => !Processes.Exists(id)), "launcher and workers ended", Cancelled);
        await Waiting.UntilAsync(() => Sockets(places).Length == 0, "their sockets are gone", Cancelled);
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
    public async Task An_idle_instance_leaves_no_process_socket_file_cgroup_or_mount_and_the_next_call_starts_it_again()
    {
        using var places = new TemporaryFolder();
        await using var server = await StartAsync(places, poolSize: 0);
        // One that stays shows what an instance has.
        await Digits.DeployAsync(server, "kept", Cancelled, new() { ["idle_timeout"] = "10m" });
        await InferCall.SendAsync(server, "kept", [Digits.Input(1)], binary: true, Cancelled);
        await Waiting.UntilAsync(() => server.Workers().Count == 1, "the worker that verified the model has ended", Cancelled);
        await Waiting.UntilAsync(() => Sockets(places).Length == 1, "its socket is gone", Cancelled);
        var cgroups = Cgroups(server.Workers()).Where(Directory.Exists).ToArray();
        var before = Traces(server, places, cgroups);
        Assert.Contains(before, t => t.EndsWith(".sock", StringComparison.Ordinal));
        Assert.All(cgroups, c => Assert.Contains(c, before));

        await Digits.DeployAsync(server, "idle", Cancelled, new() { ["idle_timeout"] = "300ms" });
        await InferCall.SendAsync(server, "idle", [Digits.Input(1)], binary: true, Cancelled);

        await Waiting.UntilAsync(async () => (await server.InstancesAsync("idle", Cancelled)).Count == 0, "the endpoint is at zero", Cancelled);
        await Waiting.UntilAsync(() => !Traces(server, places, cgroups).Except(before).Any(), "no process, socket, file, cgroup or mount of it is left", Cancelled);

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

    /// <summary>A server whose run folder is the only one below <paramref name="places"/>.</summary>
    private static Task<RunningServer> StartAsync(TemporaryFolder places, int poolSize) => RunningServer.StartAsync(Cancelled, environment: new Dictionary<string, string>
    {
        ["XDG_RUNTIME_DIR"] = places.Root,
        ["DORMOUSE_WORKERS__POOLSIZE"] = $"{poolSize}",
    });

    private static string[] Sockets(TemporaryFolder places) => [.. Directory.GetDirectories(places.Root).SelectMany(folder => Directory.GetFiles(folder, "*.sock"))];

    /// <summary>What there is below the server: processes, what lies in its run folder, cgroups beside those given, and mounts of its folders.</summary>
    private static string[] Traces(RunningServer server, TemporaryFolder places, string[] cgroups) =>
    [
        .. server.Descendants().Select(id => $"process {id}"),
        .. Directory.GetDirectories(places.Root).SelectMany(folder => Directory.GetFileSystemEntries(folder)),
        .. cgroups.Select(cgroup => Path.GetDirectoryName(cgroup)!).Distinct().SelectMany(beside => Directory.GetDirectories(beside)), // Not null: none is the root.
        .. new[] { server.ProcessId, server.Launcher() }.SelectMany(id => Processes.Read($"/proc/{id}/mountinfo").Split('\n'))
            .Where(m => m.Contains(places.Root, StringComparison.Ordinal) || m.Contains(server.Data, StringComparison.Ordinal)),
    ];

    /// <summary>Folders of the cgroups of these processes that are the product's own.</summary>
    private static string[] Cgroups(IEnumerable<int> processes) =>
        [.. processes.SelectMany(id => Processes.Read($"/proc/{id}/cgroup").Split('\n', StringSplitOptions.RemoveEmptyEntries))
            .Select(l => l.Split(':', 3)).Where(p => p[2].Contains("dormouse", StringComparison.Ordinal))
            .Select(p => "/sys/fs/cgroup/" + p[1].Replace("name=", "", StringComparison.Ordinal) + p[2]).Distinct()];
}
