using System.Diagnostics;
using System.Net;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Functions;

/// <summary>Instances of functions come, go and are killed like those of models.</summary>
public sealed class FunctionLifeTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("fork", "1GiB")]
    [InlineData("pool", "0B")]
    public async Task An_idle_function_falls_to_zero_and_its_next_start_is_a_fork_or_takes_a_pooled_worker(string rung, string templates)
    {
        PythonApps.NeedPython();
        await using var server = await RunningServer.StartAsync(Cancelled, environment: new Dictionary<string, string> { ["DORMOUSE_WORKERS__TEMPLATES_MEMORY"] = templates });
        using var files = new TemporaryFolder();
        await CommandRun.DoneAsync(server, Cancelled, "deploy", files.Write("main.py", "import time\ntime.sleep(0.1)\n" + PythonApps.Plain("life")), "--name", "life", "--idle-timeout", "200ms");
        var first = (await PythonApps.CallAsync(server, "life", "1", Cancelled)).Json["instance"]!.GetValue<string>();
        await GoneAsync(server);

        // When the template or the pool is ready nobody announces: a start that comes before that makes a process of its own.
        await Waiting.UntilAsync(
            async () =>
            {
                var next = await PythonApps.CallAsync(server, "life", "1", Cancelled);
                var instance = next.Json["instance"]!.GetValue<string>();
                Assert.NotEqual(first, instance);
                await GoneAsync(server);
                return next.Start.Contains($"rung={rung}", StringComparison.Ordinal);
            },
            $"a start takes the rung {rung}", Cancelled);
        Assert.Equal(rung == "fork", (await CommandRun.DoneAsync(server, Cancelled, "describe", "life")).Output.Contains("instances are forks of it", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_frozen_function_is_thawed_for_its_next_call_and_nothing_of_it_outlives_a_killed_server()
    {
        PythonApps.NeedPython();
        await using var server = await RunningServer.StartAsync(Cancelled);
        if ((await CommandRun.OfAsync(server, Cancelled, "doctor")).Output.Contains("frozen_for has no effect", StringComparison.Ordinal))
        {
            Assert.Skip("This machine cannot freeze.");
        }

        using var files = new TemporaryFolder();
        await CommandRun.DoneAsync(server, Cancelled, "deploy", files.Write("main.py", PythonApps.Plain("life")), "--name", "life", "--idle-timeout", "0s", "--frozen-for", "10m");
        var first = (await PythonApps.CallAsync(server, "life", "1", Cancelled)).Json["instance"]!.GetValue<string>();
        await FrozenAsync(server);
        Assert.Contains("frozen", (await CommandRun.DoneAsync(server, Cancelled, "describe", "life")).Output, StringComparison.Ordinal);

        var thawed = await PythonApps.CallAsync(server, "life", "2", Cancelled);

        Assert.Equal("cold; cause=idle; rung=thaw", thawed.Start);
        Assert.Equal(first, thawed.Json["instance"]!.GetValue<string>());
        await FrozenAsync(server);
        var process = Assert.Single(await server.InstancesAsync("life", Cancelled))!["process_id"]!.GetValue<int>();
        await server.KillAsync(Cancelled);
        await Waiting.UntilAsync(() => !Processes.Exists(process), "the frozen process has ended", Cancelled);
    }

    private static Task FrozenAsync(RunningServer server) =>
        Waiting.UntilAsync(async () => (await server.InstancesAsync("life", Cancelled)) is [{ } instance] && instance["state"]!.GetValue<string>() == "frozen", "the instance is frozen", Cancelled);

    private static Task GoneAsync(RunningServer server) =>
        Waiting.UntilAsync(async () => (await server.InstancesAsync("life", Cancelled)).Count == 0, "no instance is left", Cancelled);

    [Fact]
    public async Task Instances_killed_under_load_lose_no_call()
    {
        PythonApps.NeedPython();
        await using var server = await RunningServer.StartAsync(Cancelled);
        using var files = new TemporaryFolder();
        await CommandRun.DoneAsync(server, Cancelled, "deploy", files.Write("main.py", PythonApps.Plain("killed")), "--name", "killed", "--concurrency", "2");
        var answered = 0;
        var killed = new HashSet<int>();
        using var enough = new CancellationTokenSource();
        var callers = Enumerable.Range(0, 3).Select(caller => Task.Run(async () =>
        {
            while (!enough.IsCancellationRequested)
            {
                var call = await PythonApps.CallAsync(server, "killed", $"{caller}", Cancelled);
                Assert.True(call.Status == HttpStatusCode.OK, call.Text);
                Assert.Equal(caller, call.Json["got"]!.GetValue<int>());
                Interlocked.Increment(ref answered);
            }
        }, Cancelled)).ToArray();

        const int Kills = 8;
        while (killed.Count < Kills && !callers.Any(c => c.IsFaulted))
        {
            var before = Volatile.Read(ref answered);
            foreach (var process in (await server.InstancesAsync("killed", Cancelled)).Select(i => i!["process_id"]?.GetValue<int>()).OfType<int>().Where(killed.Add).ToArray())
            {
                Processes.Signal(process, "KILL");
            }

            await Waiting.UntilAsync(() => Volatile.Read(ref answered) > before + 5 || callers.Any(c => c.IsFaulted), "calls are answered after a kill", Cancelled);
        }

        await enough.CancelAsync();
        await Task.WhenAll(callers);
        var receipts = (await server.GetAsync("/api/v1/usage?by=endpoint", Cancelled)).ToJsonString();
        Assert.Contains("killed", receipts, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ctrl_C_ends_the_server_and_every_python_process_with_it()
    {
        PythonApps.NeedPython();
        await using var server = await RunningServer.StartAsync(Cancelled);
        using var files = new TemporaryFolder();
        await CommandRun.DoneAsync(server, Cancelled, "deploy", files.Write("main.py", PythonApps.Plain("ends")), "--name", "ends");
        await PythonApps.CallAsync(server, "ends", "1", Cancelled);
        var workers = PythonApps.Workers(server);
        Assert.NotEmpty(workers);

        Processes.Signal(server.ProcessId, "INT");

        await Waiting.UntilAsync(() => !workers.Any(Processes.Exists) && !Processes.Exists(server.ProcessId), "the server and its Python processes are gone", Cancelled);
    }

    [Fact]
    public async Task A_function_over_its_memory_is_told_so_and_hits_nobody_else()
    {
        PythonApps.NeedPython();
        await using var server = await RunningServer.StartAsync(Cancelled);
        if ((await Doctor.CheckAsync(server, "cgroups", Cancelled))["status"]!.GetValue<string>() != "ok")
        {
            Assert.Skip("There are no cgroups here to bound memory with.");
        }

        using var files = new TemporaryFolder();
        files.Write("eats/main.py", "def handler(input):\n    return len(bytearray(600 << 20).replace(b'\\0', b'\\1'))\n");
        files.Write("fine/main.py", PythonApps.Plain("fine"));
        await CommandRun.DoneAsync(server, Cancelled, "deploy", Path.Combine(files.Root, "eats"), "--memory", "128MiB");
        await CommandRun.DoneAsync(server, Cancelled, "deploy", Path.Combine(files.Root, "fine"), "--memory", "128MiB");
        var neighbour = (await PythonApps.CallAsync(server, "fine", "1", Cancelled)).Json["instance"]!.GetValue<string>();

        var eaten = await PythonApps.CallAsync(server, "eats", "1", Cancelled);

        Assert.Equal((HttpStatusCode.BadGateway, "memory_exceeded"), (eaten.Status, eaten.Code));
        Assert.Equal(neighbour, (await PythonApps.CallAsync(server, "fine", "1", Cancelled)).Json["instance"]!.GetValue<string>());
    }

    [Fact]
    public async Task Dev_deploys_on_every_save_shows_the_logs_and_ends_well_on_ctrl_c()
    {
        PythonApps.NeedPython();
        await using var server = await RunningServer.StartAsync(Cancelled);
        using var files = new TemporaryFolder();
        var app = files.Write("main.py", PythonApps.Plain("first"));
        var start = new ProcessStartInfo(Checkout.Dormouse, ["dev", app, "--name", "dev"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["DORMOUSE_SERVER"] = server.Address.ToString();
        start.Environment["DORMOUSE_API_KEY"] = server.Key;
        using var dev = Process.Start(start)!;
        var output = new System.Collections.Concurrent.ConcurrentQueue<string>();
        dev.OutputDataReceived += (_, e) => output.Enqueue(e.Data ?? "");
        dev.ErrorDataReceived += (_, e) => output.Enqueue(e.Data ?? "");
        dev.BeginOutputReadLine();
        dev.BeginErrorReadLine();
        await Waiting.UntilAsync(() => output.Any(l => l.Contains("dev r1 is live", StringComparison.Ordinal)), "the first deploy", Cancelled);

        files.Write("main.py", "this is no code\n");
        await Waiting.UntilAsync(() => output.Any(l => l.Contains("SyntaxError", StringComparison.Ordinal)), "broken code is told", Cancelled);
        Assert.Equal("first", (await PythonApps.CallAsync(server, "dev", "1", Cancelled)).Json["word"]!.GetValue<string>());
        files.Write("main.py", PythonApps.Plain("second").Replace("return {", "print('in the log', flush=True); return {", StringComparison.Ordinal));
        await Waiting.UntilAsync(() => output.Any(l => l.Contains("dev r2 is live", StringComparison.Ordinal)), "the second deploy", Cancelled);
        Assert.Equal("second", (await PythonApps.CallAsync(server, "dev", "1", Cancelled)).Json["word"]!.GetValue<string>());
        await Waiting.UntilAsync(() => output.Any(l => l.Contains("in the log", StringComparison.Ordinal)), "the log is followed", Cancelled);

        Processes.Signal(dev.Id, "INT");
        await dev.WaitForExitAsync(Cancelled);
        Assert.Equal(0, dev.ExitCode);
    }
}
