using System.Collections.Immutable;
using System.Net;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Drivers.Tests.Support;

namespace Dormouse.Drivers.Tests;

/// <summary>Sandboxed Python functions with a way to the network, in a network with a machine outside: whom they reach, and that nothing of the way is left.</summary>
public sealed class SandboxNetworkTests
{
    private const string App = """
        import socket, urllib.request

        held = []

        def handler(input):
            what, target = input.split(" ", 1)
            try:
                if what == "get":
                    return urllib.request.urlopen(target, timeout=20).read().decode()
                host, port = target.rsplit(":", 1)
                own = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM if what == "send" else socket.SOCK_STREAM)
                own.settimeout(20)
                held.append(own)
                if what == "hold":
                    own.bind((host, int(port)))
                    own.listen()
                    return "held"
                if what == "past":
                    own.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"tap0")
                own.connect((host, int(port)))
                if what == "send":
                    own.send(b"?")
                    own.recv(1)
                return "connected"
            except OSError as problem:
                return "refused: " + str(problem)
        """;

    private static int _instances = 2000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task It_reaches_the_internet_by_name_and_what_the_operator_allows_and_nothing_of_this_machine(bool asNobody)
    {
        await using var fixture = await OpenAsync(asNobody);
        var instance = await StartAsync(fixture, NetworkAccess.Outbound);

        Assert.Equal($"at {NetworkWorld.Outside}", await AskAsync(instance, $"get http://{NetworkWorld.Outside}:{NetworkWorld.Port}/"));
        Assert.Equal($"at {NetworkWorld.Outside}", await AskAsync(instance, $"get http://outside.example:{NetworkWorld.Port}/"));
        Assert.Equal($"at {NetworkWorld.AllowedPrivate}", await AskAsync(instance, $"get http://{NetworkWorld.AllowedPrivate}:{NetworkWorld.Port}/"));
        foreach (var address in (string[])[NetworkWorld.Metadata, NetworkWorld.OtherPrivate, NetworkWorld.OwnAddress, "127.0.0.1", "127.0.0.53", "192.0.0.2", "192.0.0.3", "[::1]", "0.0.0.0"])
        {
            var plain = address.Trim('[', ']');
            Assert.StartsWith("refused", await AskAsync(instance, $"connect {plain}:{NetworkWorld.Port}"), StringComparison.Ordinal);
        }

        // Where routes would be asked no more, the rules are.
        Assert.StartsWith("refused", await AskAsync(instance, $"past {NetworkWorld.Metadata}:{NetworkWorld.Port}"), StringComparison.Ordinal);
        Assert.StartsWith("refused", await AskAsync(instance, $"past {NetworkWorld.OwnAddress}:{NetworkWorld.Port}"), StringComparison.Ordinal);
        Assert.StartsWith("refused", await AskAsync(instance, "send 127.0.0.53:53"), StringComparison.Ordinal);
        Assert.StartsWith("refused", await AskAsync(instance, $"send {NetworkWorld.Metadata}:53"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_do_not_reach_each_other_and_one_without_reaches_nobody()
    {
        await using var fixture = await OpenAsync(asNobody: false);
        var first = await StartAsync(fixture, NetworkAccess.Outbound);
        var second = await StartAsync(fixture, NetworkAccess.Outbound);
        var none = await StartAsync(fixture, NetworkAccess.None);

        Assert.Equal("held", await AskAsync(first, "hold 0.0.0.0:7000"));
        Assert.Equal("connected", await AskAsync(first, "connect 192.0.0.100:7000"));
        Assert.StartsWith("refused", await AskAsync(second, "connect 192.0.0.100:7000"), StringComparison.Ordinal);
        Assert.StartsWith("refused", await AskAsync(none, $"connect {NetworkWorld.Outside}:{NetworkWorld.Port}"), StringComparison.Ordinal);
        Assert.StartsWith("refused", await AskAsync(none, $"get http://outside.example:{NetworkWorld.Port}/"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_way_ends_with_the_worker_and_the_worker_with_the_way()
    {
        await using var fixture = await OpenAsync(asNobody: false);
        var stopped = await StartAsync(fixture, NetworkAccess.Outbound);
        var killed = await StartAsync(fixture, NetworkAccess.Outbound);
        var cut = await StartAsync(fixture, NetworkAccess.Outbound);
        var ways = Ways(fixture);
        int[] inside = [.. ((string[])[stopped.Network, killed.Network, cut.Network]).SelectMany(network => Machine.ProcessesIn(network, "net"))];

        fixture.Driver.Stop(stopped.Instance, StopReason.Idle);
        await fixture.Observer.WaitForGoneAsync(stopped.Instance);
        Assert.False(Machine.IsRunning(ways[stopped.Network]));
        await Machine.KillAsync(fixture.Driver.ProcessId(killed.Instance) ?? 0);
        await fixture.Observer.WaitForGoneAsync(killed.Instance);
        Assert.False(Machine.IsRunning(ways[killed.Network]));
        await Machine.KillAsync(ways[cut.Network]);
        var loss = await fixture.Observer.WaitForAsync<InstanceLoss>(cut.Instance);
        await fixture.Observer.WaitForGoneAsync(cut.Instance);

        Assert.Contains("its way to the network ended", loss.Detail, StringComparison.Ordinal);
        Assert.InRange(inside.Length, 3, int.MaxValue);
        Assert.All(inside, process => Assert.False(Machine.IsRunning(process)));
    }

    [Fact]
    public async Task Nothing_of_it_outlives_a_killed_launcher()
    {
        await using var fixture = await OpenAsync(asNobody: false);
        var instance = await StartAsync(fixture, NetworkAccess.Outbound);
        var ways = Ways(fixture);
        var inside = Machine.ProcessesIn(instance.Network, "net");
        var launcher = fixture.Processes().Launcher;

        await Machine.KillAsync(launcher);
        foreach (var way in ways.Values)
            await Machine.WaitForEndAsync(way);
        await fixture.Observer.WaitForGoneAsync(instance.Instance);

        Assert.NotEmpty(ways);
        Assert.NotEmpty(inside);
        Assert.All(inside, process => Assert.False(Machine.IsRunning(process)));
    }

    [Fact]
    public async Task Forks_have_the_way_of_their_template()
    {
        await using var fixture = await OpenAsync(asNobody: false, options => options with { TemplatesMemoryBytes = 1L << 30, TemplateLoadTimeMin = TimeSpan.Zero });
        var first = await StartAsync(fixture, NetworkAccess.Outbound);
        await PythonMachine.UntilAsync(() => fixture.Driver.Template(first.Instance.Revision) is { State: TemplateState.Ready });

        var forked = Start(fixture, NetworkAccess.Outbound);
        var ready = await fixture.Observer.WaitForAsync<InstanceReady>(forked);
        var fork = (forked, ready.Address, "");

        Assert.Equal(Rung.Fork, ready.Rung);
        Assert.Equal($"at {NetworkWorld.Outside}", await AskAsync(fork, $"get http://outside.example:{NetworkWorld.Port}/"));
        Assert.StartsWith("refused", await AskAsync(fork, $"connect {NetworkWorld.Metadata}:{NetworkWorld.Port}"), StringComparison.Ordinal);
        Assert.StartsWith("refused", await AskAsync(fork, $"connect {NetworkWorld.OwnAddress}:{NetworkWorld.Port}"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_inspection_has_the_network_too_and_a_try_says_that_it_can_be_made()
    {
        await using var fixture = await OpenAsync(asNobody: false);
        Write(fixture, $"import urllib.request\nAT = urllib.request.urlopen('http://outside.example:{NetworkWorld.Port}/', timeout=20).read()\n" + App);

        var inspection = await fixture.Driver.InspectAsync(
            new() { Spec = Spec(NetworkAccess.Outbound), Package = Package, Folder = fixture.PackageFolder, MemoryBytes = 512L << 20, TimeLimit = TimeSpan.FromSeconds(60) }, Cancellation);
        var tried = await fixture.Driver.TryNetworkAsync(Cancellation);

        Assert.IsType<Inspection.Accepted>(inspection);
        Assert.True(tried is { Works: true }, tried?.Detail);
    }

    [Fact]
    public async Task Where_it_cannot_be_made_the_start_and_the_try_say_why()
    {
        // The device is there but is none: what a look finds is fine, and the first use fails.
        await using var fixture = await OpenAsync(asNobody: false, options =>
        {
            var launcher = options.LauncherPath;
            File.WriteAllText(launcher, File.ReadAllText(launcher).Replace("/script ", "/broken ", StringComparison.Ordinal));
            var world = Path.Combine(Path.GetDirectoryName(launcher)!, "world"); // Not null: it is in the test's folder.
            File.WriteAllText(Path.Combine(world, "broken"), File.ReadAllText(Path.Combine(world, "script")).Replace("exec \"$@\"", "mount --bind /dev/null /dev/net/tun\nexec \"$@\"", StringComparison.Ordinal));
            return options;
        });
        Write(fixture, App);

        var tried = await fixture.Driver.TryNetworkAsync(Cancellation);
        var instance = Start(fixture, NetworkAccess.Outbound);
        var failure = await fixture.Observer.WaitForAsync<StartFailure>(instance);

        Assert.Contains("its way to the network could not be made", failure.Reason, StringComparison.Ordinal);
        Assert.True(tried is { Works: false });
        Assert.Contains("network: outbound", tried.Detail, StringComparison.Ordinal);
    }

    private static async Task<DriverFixture> OpenAsync(bool asNobody, Func<ProcessDriverOptions, ProcessDriverOptions>? change = null)
    {
        if (asNobody)
            Machine.NeedAnotherUser();
        if (!Machine.IsRoot)
            Assert.Skip("Only root can make a network with a machine outside.");
        var missing = ((string[])["slirp4netns", "nft", "ip", "unshare", "nsenter", "setpriv"]).FirstOrDefault(program => !((string[])["/usr/bin", "/usr/sbin", "/bin", "/sbin"]).Any(folder => File.Exists(Path.Combine(folder, program))));
        if (missing is not null)
            Assert.Skip($"There is no {missing} here.");
        if (!File.Exists("/dev/net/tun"))
            Assert.Skip("There is no /dev/net/tun here.");
        var package = PythonMachine.PackageFolder();
        // One that root has in its home is nobody's else.
        var python = asNobody && File.Exists("/usr/bin/python3") ? "/usr/bin/python3" : PythonMachine.Interpreter();
        var fixture = await DriverFixture.OpenAsync(change: options =>
        {
            var around = NetworkWorld.Around(options with { Isolation = null, PythonCommand = python, PythonPackagePath = package }, asNobody);
            return change?.Invoke(around) ?? around;
        });
        var sandbox = fixture.Driver.Probes.First(probe => probe.Name == "sandbox");
        if (sandbox.Works)
            return fixture;
        await fixture.DisposeAsync();
        Assert.Skip("No sandbox can be made here: " + sandbox.Detail);
        return fixture;
    }

    private static void Write(DriverFixture fixture, string code)
    {
        File.Delete(Path.Combine(fixture.PackageFolder, "digits.onnx"));
        File.WriteAllText(Path.Combine(fixture.PackageFolder, "app.py"), code);
    }

    private static Package Package => new([new PackageFile("app.py", new(new string('0', 64)), 5)]);

    private static RevisionSpec Spec(NetworkAccess network) => new()
    {
        Runtime = RuntimeKind.Python.Name,
        Handler = "app.py::handler",
        MemoryMib = 256,
        Isolation = IsolationLevel.Sandbox,
        Network = network,
        Environment = ImmutableSortedDictionary<string, string>.Empty,
    };

    private static InstanceId Start(DriverFixture fixture, NetworkAccess network)
    {
        var instance = new InstanceId(new(new(Guid.Empty), 1), Interlocked.Increment(ref _instances));
        fixture.Driver.Start(new() { Instance = instance, Tenant = TenantId.Default, Spec = Spec(network), Package = Package, Folder = fixture.PackageFolder, OptimisedPath = _ => null });
        return instance;
    }

    private static async Task<(InstanceId Instance, string Address, string Network)> StartAsync(DriverFixture fixture, NetworkAccess network)
    {
        Write(fixture, App);
        var instance = Start(fixture, network);
        var ready = await fixture.Observer.WaitForAsync<InstanceReady>(instance);
        return (instance, ready.Address, Machine.NamespaceOf(fixture.Driver.ProcessId(instance) ?? 0, "net") ?? "");
    }

    private static async Task<string> AskAsync((InstanceId Instance, string Address, string Network) instance, string question)
    {
        var answer = await PythonMachine.PostAsync(instance.Address, System.Text.Json.JsonSerializer.Serialize(question));
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        return answer.Body.GetValue<string>();
    }

    /// <summary>The processes that are ways to the network of this launcher's workers, each by the network that it holds.</summary>
    private static Dictionary<string, int> Ways(DriverFixture fixture)
    {
        var machine = Machine.NamespaceOf(fixture.Processes().Launcher, "net");
        return Machine.ProcessesWith("slirp4netns").Keys.Where(process => Machine.NamespaceOf(process, "net") == machine)
            .SelectMany(process => Descriptors(process).Select(link => (Network: new FileInfo(link).LinkTarget ?? "", process)))
            .Where(held => held.Network.StartsWith("net:", StringComparison.Ordinal))
            .ToDictionary(held => held.Network, held => held.process);
    }

    /// <summary>Empty when there is no such process any more.</summary>
    private static string[] Descriptors(int process)
    {
        try
        {
            return Directory.GetFiles($"/proc/{process}/fd");
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
    }
}
