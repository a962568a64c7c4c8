using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text.Json;
using Dormouse.EndToEnd.Tests.Functions;
using Dormouse.EndToEnd.Tests.Running;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.EndToEnd.Tests.Isolation;

/// <summary>A function that means harm, in a sandbox of a real server, beside a neighbour that must go on answering. Each test is one thing that it must not get.</summary>
public sealed class EscapeTests(ServerFixture fixture) : IClassFixture<ServerFixture>, IAsyncLifetime
{
    /// <summary>What it must not get, and how it tries; the same at every level that shuts it in.</summary>
    internal static readonly (string What, string Attempt)[] Attempts =
    [
        ("the neighbour's code", "look_for_text belongs-to-the-neighbour"),
        ("the server's database", "look_for dormouse.db"),
        ("the administrator's key", "look_for admin-key"),
        ("the launcher's socket", "look_for launcher.sock"),
        ("folders above its package", "walk_out"),
        ("its own package, to change it", "open_descriptor_for_writing"),
        ("the machine's files, to write them", "write_anywhere"),
        ("the environment of others", "environment_of_others"),
        ("the processes of others", "processes"),
        ("a signal to others", "kill_others"),
        ("the machine's shadow file", "read_file /etc/shadow"),
        ("a connection outside", "connect 1.1.1.1:443"),
        ("a raw socket", "raw_socket"),
        ("a socket to the hypervisor", "vsock"),
        ("more processes than its limit", "fork_bomb"),
        ("more of /tmp than its size", "fill_disk"),
        ("another process's memory", "trace"),
        ("a mount", "mount"),
        ("a user namespace", "new_namespace"),
        ("a user namespace by clone", "clone_namespace"),
        ("the kernel's keys", "keys"),
        ("to be root", "become_root"),
        ("capabilities by a program that sets the user", "set_user_program"),
    ];

    private static readonly SemaphoreSlim Deploying = new(1);
    private static RunningServer? _prepared;

    public static TheoryData<string, string> Rows => [.. Attempts.Select(row => new TheoryDataRow<string, string>(row.What, row.Attempt))];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private RunningServer Server => fixture.Server;

    public async ValueTask InitializeAsync()
    {
        PythonApps.NeedPython();
        await Deploying.WaitAsync(Cancelled);
        try
        {
            await Doctor.NeedSandboxAsync(Server, Cancelled);
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
    [MemberData(nameof(Rows))]
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
    public async Task With_a_network_it_does_not_reach_this_machine_or_the_clouds_metadata_either()
    {
        var report = await Server.GetAsync("/api/v1/doctor", Cancelled);
        if (report["checks"]!.AsArray().FirstOrDefault(check => check!["name"]!.GetValue<string>() == "network") is { } network && network["status"]!.GetValue<string>() != "ok")
        {
            Assert.Skip("No sandbox can have a network here: " + network["detail"]);
        }

        using var files = new TemporaryFolder();
        await CommandRun.DoneAsync(Server, Cancelled, "deploy", files.Write("main.py", Attacker.Code), "--name", "caller", "--memory", "256MiB", "--network", "outbound", "--isolation", "sandbox");
        using var everywhere = new TcpListener(IPAddress.Any, 0);
        everywhere.Start();
        var port = ((IPEndPoint)everywhere.LocalEndpoint).Port;
        string[] own = [.. NetworkInterface.GetAllNetworkInterfaces().SelectMany(found => found.GetIPProperties().UnicastAddresses).Select(found => found.Address)
            .Where(address => address.AddressFamily == AddressFamily.InterNetwork).Select(address => address.ToString())];

        foreach (var address in (string[])[$"connect 127.0.0.1:{Server.Address.Port}", $"connect 127.0.0.1:{Server.Grpc.Port}", .. own.Select(address => $"connect {address}:{port}"),
                     $"connect 192.0.0.2:{port}", $"connect 192.0.0.3:{port}", "connect 169.254.169.254:80", "connect 10.0.0.1:80", .. Sockets().Select(path => "unix " + path), "raw_socket", "vsock"])
        {
            var answer = await AttackAsync(address, "caller");
            Assert.True(answer.StartsWith("refused", StringComparison.Ordinal), $"It reached {address}: {answer}");
        }

        var described = (await CommandRun.DoneAsync(Server, Cancelled, "describe", "caller")).Output;
        Assert.Matches(@"network\s+outbound", described);
        Assert.Matches(@"isolation\s+sandbox", described);
        Assert.Matches(@"limits\s+" + ((await Doctor.CheckAsync(Server, "cgroups", Cancelled))["detail"]!.GetValue<string>() is "rlimits" ? "rlimits: " : "by cgroup v[12]"), described);
        await CommandRun.DoneAsync(Server, Cancelled, "delete", "caller", "--yes");
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
        // One that the kernel gives to nobody between the two times that it is listened on.
        using var free = new TcpListener(IPAddress.Any, FreePort.Next());
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

        await CommandRun.DoneAsync(Server, Cancelled, "stop", "attacker");

        await Waiting.UntilAsync(() => Sleepers(Word).Length == 0, "nothing of the daemon is left", Cancelled);
        await IsNamedAsync("that it had started and left running ended with it: sleep");
        await NeighbourAsync();
    }

    [Fact]
    public async Task Processes_over_its_limit_are_refused_and_counted_in_its_log()
    {
        Assert.StartsWith("refused", await AttackAsync("fork_bomb"), StringComparison.Ordinal);

        await CommandRun.DoneAsync(Server, Cancelled, "stop", "attacker");

        await IsNamedAsync("it was refused a process or thread");
        await NeighbourAsync();
    }

    [Fact]
    public async Task Attempts_to_reach_another_machine_are_counted_in_its_log()
    {
        Assert.StartsWith("refused", await AttackAsync("connect 1.1.1.1:443"), StringComparison.Ordinal);

        await CommandRun.DoneAsync(Server, Cancelled, "stop", "attacker");

        await IsNamedAsync("to reach another machine: it has no network");
        await NeighbourAsync();
    }

    [Fact]
    public async Task Memory_over_its_limit_ends_it_is_said_so_and_hits_nobody_else()
    {
        var call = await PythonApps.CallAsync(Server, "attacker", JsonSerializer.Serialize("memory"), Cancelled);

        Assert.NotEqual(HttpStatusCode.OK, call.Status);
        Assert.Contains("1536 MiB", call.Text, StringComparison.Ordinal);
        await IsNamedAsync("exceeded its memory");
        await NeighbourAsync();
    }

    private async Task<string> AttackAsync(string attempt, string endpoint = "attacker")
    {
        var call = await PythonApps.CallAsync(Server, endpoint, JsonSerializer.Serialize(attempt), Cancelled);
        Assert.True(call.Status == HttpStatusCode.OK, call.Text);
        return call.Json.GetValue<string>();
    }

    /// <summary>Its log says what it was kept from.</summary>
    private Task IsNamedAsync(string words) =>
        Waiting.UntilAsync(async () => (await PythonApps.LogsAsync(Server, "attacker", Cancelled)).Contains(words, StringComparison.Ordinal), $"the log says '{words}'", Cancelled);

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
}
