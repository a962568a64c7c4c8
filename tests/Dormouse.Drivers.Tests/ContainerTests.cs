using System.Text.Json.Nodes;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Drivers.Tests.Support;
using Dormouse.Launcher.Containers;

namespace Dormouse.Drivers.Tests;

/// <summary>Instances in containers of a real OCI runtime: crun where it is installed, else runc.</summary>
public sealed class ContainerTests
{
    private const string App = """
        import os, socket
        def handler(input):
            do = input.get("do")
            if do == "allocate":
                return len(bytearray(os.urandom(1)) * (1 << 30))
            if do == "exit":
                os._exit(3)
            if do == "status":
                return open("/proc/self/status").read()
            if do == "see":
                return {"root": sorted(os.listdir("/")), "etc": sorted(os.listdir("/etc")), "package": sorted(os.listdir("/package")), "processes": [int(name) for name in os.listdir("/proc") if name.isdigit()],
                        "interfaces": [name for _, name in socket.if_nameindex()], "host": socket.gethostname(), "user": os.getuid(), "cgroups": sorted(os.listdir("/sys/fs/cgroup"))}
            if do == "write":
                try:
                    open(input["path"], "w").write("x")
                    return "written"
                except OSError as error:
                    return error.strerror
            return os.getpid()
        """;

    private static readonly EndpointId Endpoint = new(Guid.Empty);
    private static int _instances;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_function_in_a_container_sees_its_package_and_nothing_of_the_machine_or_of_others()
    {
        await using var fixture = await OpenAsync();
        var instance = await StartAsync(fixture);

        var seen = await AskAsync(instance, "see");
        Assert.Equal(["app.py", "digits.onnx"], Texts(seen["package"]));
        Assert.DoesNotContain("shadow", Texts(seen["etc"]));
        Assert.Contains("passwd", Texts(seen["etc"]));
        Assert.Equal(["lo"], Texts(seen["interfaces"]));
        Assert.Equal("dormouse", seen["host"]!.GetValue<string>());
        Assert.True(seen["user"]!.GetValue<long>() >= 2_000_000_000);
        Assert.True(seen["processes"]!.AsArray().Count <= 3, seen.ToJsonString());
        Assert.Equal(["written", "written"], [await WriteAsync("/tmp/own"), await WriteAsync("/dev/shm/own")]);
        Assert.Equal(Enumerable.Repeat("Read-only file system", 3), [await WriteAsync("/usr/own"), await WriteAsync("/own"), await WriteAsync("/package/own")]);
        var status = (await AskAsync(instance, "status")).GetValue<string>().Split('\n');
        Assert.Equal(5, status.Count(line => line.StartsWith("Cap", StringComparison.Ordinal) && line.EndsWith("\t0000000000000000", StringComparison.Ordinal)));
        Assert.Contains("NoNewPrivs:\t1", status);
        Assert.Contains("Seccomp:\t2", status);
        if (fixture.HasCgroups)
            Assert.NotEmpty(Texts(seen["cgroups"]));

        async Task<string> WriteAsync(string path) => (await PostAsync(instance, new() { ["do"] = "write", ["path"] = path })).GetValue<string>();
    }

    [Fact]
    public async Task How_it_ends_is_seen_as_in_a_sandbox_and_nothing_is_left()
    {
        await using var fixture = await OpenAsync();
        var (stopped, crashing, hungry, killed, healthy) = (await StartAsync(fixture), await StartAsync(fixture), await StartAsync(fixture), await StartAsync(fixture), await StartAsync(fixture));

        fixture.Driver.Stop(stopped.Id, StopReason.Idle);
        await fixture.Observer.WaitForGoneAsync(stopped.Id);
        await Assert.ThrowsAsync<HttpRequestException>(() => AskAsync(crashing, "exit"));
        Assert.Equal(new InstanceLoss(InstanceLossKind.Crashed, "The worker ended with exit code 3."), await fixture.Observer.WaitForAsync<InstanceLoss>(crashing.Id));
        await Machine.KillAsync(fixture.Driver.ProcessId(killed.Id) ?? 0);
        Assert.Equal(InstanceLossKind.Killed, (await fixture.Observer.WaitForAsync<InstanceLoss>(killed.Id)).Kind);
        if (fixture.HasCgroups)
        {
            await Assert.ThrowsAsync<HttpRequestException>(() => AskAsync(hungry, "allocate"));
            Assert.Equal(InstanceLossKind.MemoryExceeded, (await fixture.Observer.WaitForAsync<InstanceLoss>(hungry.Id)).Kind);
        }

        Assert.True((await AskAsync(healthy, "")).GetValue<int>() > 0);
        await fixture.Driver.DisposeAsync();
        await PythonMachine.UntilAsync(() => Directory.GetDirectories(fixture.Options.RunFolder, "containers-*").Length == 0);
    }

    [Fact]
    public async Task Its_forks_are_kept_apart_as_in_a_sandbox()
    {
        await using var fixture = await OpenAsync(templates: true);
        await StartAsync(fixture);
        await PythonMachine.UntilAsync(() => fixture.Driver.Template(new(Endpoint, 1)) is { State: TemplateState.Ready });

        var (one, other) = (await StartAsync(fixture), await StartAsync(fixture));

        Assert.Equal((Rung.Fork, Rung.Fork), (one.Ready.Rung, other.Ready.Rung));
        Assert.NotEqual(UserOf(one), UserOf(other));

        string UserOf(Instance instance) => File.ReadLines($"/proc/{fixture.Driver.ProcessId(instance.Id)}/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_doctor_tries_one()
    {
        await using var fixture = await OpenAsync();

        Assert.True(await fixture.Driver.TryContainerAsync(Cancellation) is { Name: "container", Works: true });
    }

    [Theory]
    [InlineData("30 20 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n31 20 0:27 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n", "/sys/fs/cgroup/unified")]
    [InlineData("31 20 0:27 / /sys/fs/cgroup rw - cgroup2 none rw\n", null)]
    [InlineData("30 20 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", null)]
    public void Version_2_of_cgroups_is_hidden_where_it_is_mounted_beside_version_1(string mounts, string? hidden) => Assert.Equal(hidden, ContainerRuntime.SecondCgroups(mounts));

    private static string[] Texts(JsonNode? node) => [.. node!.AsArray().Select(entry => entry!.GetValue<string>())];

    private static Task<JsonNode> AskAsync(Instance instance, string what) => PostAsync(instance, new() { ["do"] = what });

    private static async Task<JsonNode> PostAsync(Instance instance, JsonObject input) => (await PythonMachine.PostAsync(instance.Ready.Address, input.ToJsonString())).Body;

    private static Task<DriverFixture> OpenAsync(bool templates = false) =>
        PythonMachine.OpenAsync(App, IsolationLevel.Container, options => templates ? options : options with { TemplatesMemoryBytes = 0 });

    private static async Task<Instance> StartAsync(DriverFixture fixture)
    {
        var instance = new InstanceId(new(Endpoint, 1), Interlocked.Increment(ref _instances));
        fixture.Driver.Start(new()
        {
            Instance = instance,
            Tenant = TenantId.Default,
            Spec = new() { Runtime = RuntimeKind.Python.Name, Handler = "app.py::handler", MemoryMib = 256, Isolation = IsolationLevel.Container },
            Package = new([new PackageFile("app.py", new(new string('0', 64)), 5)]),
            Folder = fixture.PackageFolder,
            OptimisedPath = _ => null,
        });
        return new(instance, await fixture.Observer.WaitForAsync<InstanceReady>(instance));
    }

    private sealed record Instance(InstanceId Id, InstanceReady Ready);
}
