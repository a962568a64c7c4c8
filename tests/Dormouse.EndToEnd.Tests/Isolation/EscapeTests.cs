using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Dormouse.EndToEnd.Tests.Functions;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Isolation;

/// <summary>A function that means harm, in a sandbox of a real server, beside a neighbour that must go on answering. Each test is one thing that it must not get.</summary>
public sealed class EscapeTests(ServerFixture fixture) : IClassFixture<ServerFixture>, IAsyncLifetime
{
    private static readonly SemaphoreSlim Deploying = new(1);
    private static RunningServer? _prepared;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private RunningServer Server => fixture.Server;

    public async ValueTask InitializeAsync()
    {
        PythonApps.NeedPython();
        await Deploying.WaitAsync(Cancelled);
        try
        {
            await NeedSandboxAsync(Server);
            if (_prepared == Server)
            {
                return;
            }

            using var files = new TemporaryFolder();
            await CommandRun.DoneAsync(Server, Cancelled, "deploy", files.Write("main.py", Attacker.Code), "--name", "attacker", "--memory", "1536MiB", "--isolation", "sandbox");
            await CommandRun.DoneAsync(Server, Cancelled, "deploy", files.Write("main.py", PythonApps.Plain("belongs-to-the-neighbour")), "--name", "neighbour", "--memory", "128MiB");
            await NeighbourAsync();
            _prepared = Server;
        }
        finally
        {
            Deploying.Release();
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Theory]
    [InlineData("the neighbour's code", "look_for_text belongs-to-the-neighbour")]
    [InlineData("the server's database", "look_for dormouse.db")]
    [InlineData("the administrator's key", "look_for admin-key")]
    [InlineData("the launcher's socket", "look_for launcher.sock")]
    [InlineData("folders above its package", "walk_out")]
    [InlineData("its own package, to change it", "open_descriptor_for_writing")]
    [InlineData("the machine's files, to write them", "write_anywhere")]
    [InlineData("the environment of others", "environment_of_others")]
    [InlineData("the processes of others", "processes")]
    [InlineData("a signal to others", "kill_others")]
    [InlineData("the machine's shadow file", "read_file /etc/shadow")]
    [InlineData("a connection outside", "connect 1.1.1.1:443")]
    [InlineData("a raw socket", "raw_socket")]
    [InlineData("a socket to the hypervisor", "vsock")]
    [InlineData("more processes than its limit", "fork_bomb")]
    [InlineData("more of /tmp than its size", "fill_disk")]
    [InlineData("another process's memory", "trace")]
    [InlineData("a mount", "mount")]
    [InlineData("a user namespace", "new_namespace")]
    [InlineData("a user namespace by clone", "clone_namespace")]
    [InlineData("the kernel's keys", "keys")]
    [InlineData("to be root", "become_root")]
    [InlineData("capabilities by a program that sets the user", "set_user_program")]
    public async Task It_does_not_get(string what, string attempt)
    {
        var answer = await AttackAsync(attempt);

        Assert.True(answer.StartsWith("refused", StringComparison.Ordinal), $"It got {what}: {answer}");
        await NeighbourAsync();
    }

    [Fact]
    public async Task It_does_not_reach_the_servers_ports_or_sockets()
    {
        foreach (var address in (string[])[$"connect 127.0.0.1:{Server.Address.Port}", $"connect 127.0.0.1:{Server.Grpc.Port}", .. Sockets().Select(path => "unix " + path)])
        {
            var answer = await AttackAsync(address);
            Assert.True(answer.StartsWith("refused", StringComparison.Ordinal), $"It reached {address}: {answer}");
        }

        Assert.NotEmpty(Sockets());
        await NeighbourAsync();
    }

    [Fact]
    public async Task It_does_not_read_files_that_it_knows_the_paths_of()
    {
        var blobs = Directory.GetFiles(Server.Data, "*", SearchOption.AllDirectories).Where(path => !path.EndsWith("-shm", StringComparison.Ordinal)).Take(40).ToArray();
        Assert.NotEmpty(blobs);

        foreach (var path in (string[])[.. blobs, $"/proc/{Server.ProcessId}/environ", $"/proc/{Server.ProcessId}/root/etc/hostname", "/sys/class/net"])
        {
            var answer = await AttackAsync("read_file " + path);
            Assert.True(answer.StartsWith("refused", StringComparison.Ordinal), $"It read {path}: {answer}");
        }
    }

    [Fact]
    public async Task A_port_that_it_holds_is_held_in_its_own_network_only()
    {
        using var free = new TcpListener(IPAddress.Any, 0);
        free.Start();
        var port = ((IPEndPoint)free.LocalEndpoint).Port;

        // The port is taken on the machine: in a network of its own that does not matter, and what it holds there holds nothing here.
        Assert.StartsWith("got: held", await AttackAsync($"hold_port {port}"), StringComparison.Ordinal);
        free.Stop();
        using var again = new TcpListener(IPAddress.Any, port);
        again.Start();

        Assert.True(again.Server.IsBound);
        await NeighbourAsync();
    }

    [Fact]
    public async Task A_daemon_that_it_leaves_ends_with_it()
    {
        const string Word = "86399";
        Assert.StartsWith("got: left", await AttackAsync($"daemon {Word}"), StringComparison.Ordinal);
        await Waiting.UntilAsync(() => Sleepers(Word).Length > 0, "the daemon runs", Cancelled);

        await CommandRun.DoneAsync(Server, Cancelled, "delete", "attacker", "--yes");

        await Waiting.UntilAsync(() => Sleepers(Word).Length == 0, "nothing of the daemon is left", Cancelled);
        await NeighbourAsync();
        _prepared = null; // The next test deploys the attacker again.
    }

    [Fact]
    public async Task Memory_over_its_limit_ends_it_is_said_so_and_hits_nobody_else()
    {
        var call = await PythonApps.CallAsync(Server, "attacker", JsonSerializer.Serialize("memory"), Cancelled);

        Assert.NotEqual(HttpStatusCode.OK, call.Status);
        Assert.Contains("1536 MiB", call.Text, StringComparison.Ordinal);
        await NeighbourAsync();
    }

    private async Task<string> AttackAsync(string attempt)
    {
        var call = await PythonApps.CallAsync(Server, "attacker", JsonSerializer.Serialize(attempt), Cancelled);
        Assert.True(call.Status == HttpStatusCode.OK, call.Text);
        return call.Json.GetValue<string>();
    }

    private async Task NeighbourAsync()
    {
        var call = await PythonApps.CallAsync(Server, "neighbour", "1", Cancelled);
        Assert.True(call.Status == HttpStatusCode.OK, call.Text);
    }

    /// <summary>Every socket in the server's run folder.</summary>
    private string[] Sockets()
    {
        var launcher = Processes.CommandLine(Server.Launcher()).Split(' ');
        var folder = Path.GetDirectoryName(launcher[Array.IndexOf(launcher, "--socket") + 1])!; // Not null: it is an absolute path.
        return Directory.GetFiles(folder, "*.sock");
    }

    private static int[] Sleepers(string word) =>
        [.. Directory.GetDirectories("/proc").Select(Path.GetFileName).Where(name => int.TryParse(name, out _)).Select(name => int.Parse(name!, null)).Where(id => Processes.CommandLine(id).Trim() == $"sleep {word}")];

    private static async Task NeedSandboxAsync(RunningServer server)
    {
        var report = await server.GetAsync("/api/v1/doctor", Cancelled);
        var sandbox = report["checks"]!.AsArray().First(check => check!["name"]!.GetValue<string>() == "sandbox")!;
        if (sandbox["status"]!.GetValue<string>() != "ok")
        {
            Assert.Skip("No sandbox can be made here: " + sandbox["detail"]);
        }
    }
}
