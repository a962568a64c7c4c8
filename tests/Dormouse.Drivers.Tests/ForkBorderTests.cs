using System.Globalization;
using System.Text.Json.Nodes;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Drivers.Tests.Support;

namespace Dormouse.Drivers.Tests;

/// <summary>What forks of one template, which run the same code in one sandbox, can do to each other: each row is an attempt that must fail.</summary>
public sealed class ForkBorderTests
{
    private const string App = """
        import ctypes, errno, os, socket, subprocess, sys
        with open("/tmp/left", "w") as file:
            file.write("by the template")
        os.chmod("/tmp/left", 0o600)
        libc = ctypes.CDLL(None, use_errno=True)

        def tried(number, call, *arguments):
            return "done" if call(*arguments) >= 0 else errno.errorcode[ctypes.get_errno()]

        def handler(input):
            do, other = input["do"], input.get("other", 0)
            if do == "who":
                open("/tmp/own", "w").write("secret of %d" % os.getpid())
                open("/dev/shm/own", "w").write("secret of %d" % os.getpid())
                segment = libc.shmget(4000 + os.getpid(), 4096, 0o1666)
                return [os.getpid(), segment, sorted(os.listdir("/tmp")), open("/tmp/left").read(), os.getuid(), os.environ.get("TMPDIR")]
            if do == "signal":
                return tried(0, libc.kill, other, 9)
            if do == "ptrace":
                return tried(0, libc.ptrace, 16, other, 0, 0)
            if do == "limit":
                return tried(0, libc.prlimit, other, 7, (ctypes.c_ulong * 2)(1, 1), None)
            if do in ("mem", "environ", "fd/1", "root/tmp/own", "cwd", "root/dev/shm/own"):
                path = "/proc/%d/%s" % (other, do)
                try:
                    return os.listdir(path) if do == "cwd" else os.readlink(path) if do == "fd/1" else str(open(path, "rb").read(10))
                except OSError as error:
                    return errno.errorcode[error.errno]
            if do == "segment":
                return tried(0, libc.shmget, 4000 + other, 4096, 0)
            if do == "unshare":
                return tried(0, libc.unshare, input["flags"])
            if do == "spawned":
                return subprocess.run([sys.executable, "-c", "import ctypes; print(ctypes.CDLL(None).unshare(%d))" % input["flags"]], capture_output=True, text=True).stdout.strip()
            if do == "user":
                return tried(0, libc.setresuid, input["to"], input["to"], input["to"])
            if do == "mount":
                return tried(0, libc.mount, b"none", b"/tmp", b"tmpfs", 0, None)
            if do == "status":
                return open("/proc/self/status").read()
            if do == "fill":
                with open("/tmp/full", "wb") as file:
                    file.write(bytes(input["bytes"]))
                return os.path.getsize("/tmp/full")
            if do == "pool":
                import multiprocessing
                with multiprocessing.get_context("fork").Pool(2) as pool:
                    return pool.map(abs, [-1, -2])
            raise ValueError(do)
        """;

    private const int PartingFlags = 0x20000 | 0x08000000 | 0x10000000;
    private static readonly EndpointId Endpoint = new(Guid.Empty);
    private static int _instances;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Forks_of_one_template_cannot_reach_each_other(bool asNobody)
    {
        await using var world = await OpenAsync(asNobody: asNobody);
        var (one, other) = (await world.ForkAsync(), await world.ForkAsync());
        var (mine, theirs) = (await one.AskAsync("who"), await other.AskAsync("who"));
        var victim = theirs[0]!.GetValue<int>();

        foreach (var (attempt, expected) in ((string, string[])[])
            [
                ("signal", ["EPERM"]), ("ptrace", ["EPERM"]), ("limit", ["EPERM"]), ("segment", ["ENOENT"]),
                ("mem", ["EACCES", "EPERM"]), ("environ", ["EACCES", "EPERM"]), ("fd/1", ["EACCES", "EPERM"]), ("cwd", ["EACCES", "EPERM"]), ("root/tmp/own", ["EACCES", "EPERM"]), ("root/dev/shm/own", ["EACCES", "EPERM"]),
            ])
        {
            // A server of an ordinary user has one user for all of them, and a kernel before 6.12 nothing else that stops signals.
            if ((Environment.IsPrivilegedProcess && !asNobody) || attempt is not ("limit" or "signal") || (attempt == "signal" && ScopesSignals))
                Assert.Contains(One(await one.AskAsync(attempt, victim)), expected);
        }

        // Each has what the template left, its own files, and neither the other's.
        Assert.Equal(["left", "own"], mine[2]!.AsArray().Select(One).Where(IsNoProgram));
        Assert.Equal(["left", "own"], theirs[2]!.AsArray().Select(One).Where(IsNoProgram));
        Assert.Equal("by the template", One(mine[3]));
        Assert.Equal("/tmp", One(mine[5]));
        Assert.Equal(victim, (await other.AskAsync("who"))[0]!.GetValue<int>());

        // A checkout below /tmp is shown there, for the runner's sake.
        static bool IsNoProgram(string name) => !AppContext.BaseDirectory.StartsWith($"/tmp/{name}/", StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_fork_has_no_powers_and_gets_none_anew()
    {
        await using var world = await OpenAsync();
        var fork = await world.ForkAsync();

        var status = One(await fork.AskAsync("status")).Split('\n');
        foreach (var line in status.Where(line => line.StartsWith("Cap", StringComparison.Ordinal)))
            Assert.EndsWith("\t0000000000000000", line, StringComparison.Ordinal);
        Assert.Contains("NoNewPrivs:\t1", status);
        Assert.Contains("Seccomp:\t2", status);
        foreach (var flags in (int[])[PartingFlags, 0x10000000, 0x20000, 0x40000000])
            Assert.Equal("EPERM", One(await fork.AskAsync("unshare", flags: flags)));
        Assert.Equal("-1", One(await fork.AskAsync("spawned", flags: PartingFlags)));
        Assert.Equal("EPERM", One(await fork.AskAsync("mount")));
        Assert.Contains(One(await fork.AskAsync("user", to: 0)), (string[])["EPERM", "EINVAL"]);
        if (Environment.IsPrivilegedProcess)
        {
            var second = await world.ForkAsync();
            Assert.Equal(2, new[] { UserOf(world, fork), UserOf(world, second) }.Distinct().Count(user => user >= 2_000_000_000));
        }
    }

    [Fact]
    public async Task Code_that_a_template_loads_cannot_use_the_door_of_its_forks_nor_can_a_plain_instance()
    {
        await using var world = await OpenAsync("import ctypes\nbefore = ctypes.CDLL(None).unshare(" + PartingFlags.ToString(CultureInfo.InvariantCulture) + ")\ndef handler(input):\n    return [before, ctypes.CDLL(None).unshare(input['flags'])]\n");

        Assert.Equal("[-1,-1]", (await world.Plain.AskAsync("x", flags: PartingFlags)).ToJsonString());
        Assert.Equal("[-1,-1]", (await (await world.ForkAsync()).AskAsync("x", flags: PartingFlags)).ToJsonString());
    }

    [Fact]
    public async Task A_fork_that_fills_its_folder_leaves_its_sibling_room_and_pools_of_processes_work()
    {
        await using var world = await OpenAsync();
        var (one, other) = (await world.ForkAsync(), await world.ForkAsync());
        const int Bytes = 40 << 20; // Of 64 MiB each.

        Assert.Equal(Bytes, (await one.AskAsync("fill", bytes: Bytes)).GetValue<int>());
        Assert.Equal(Bytes, (await other.AskAsync("fill", bytes: Bytes)).GetValue<int>());
        Assert.Equal("[1,2]", (await one.AskAsync("pool")).ToJsonString());
    }

    private static string One(JsonNode? node) => node!.GetValue<string>();

    private static long UserOf(World world, Instance instance)
    {
        var line = File.ReadLines($"/proc/{world.Fixture.Driver.ProcessId(instance.Id)}/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal));
        return long.Parse(line.Split('\t')[1], CultureInfo.InvariantCulture);
    }

    /// <summary>Landlock's bounds of signals.</summary>
    private static bool ScopesSignals => Environment.OSVersion.Version >= new Version(6, 12) && File.Exists("/sys/kernel/security/lsm") && File.ReadAllText("/sys/kernel/security/lsm").Contains("landlock", StringComparison.Ordinal);

    private static async Task<World> OpenAsync(string code = App, bool asNobody = false)
    {
        var package = PythonMachine.PackageFolder();
        var python = asNobody ? "/usr/bin/python3" : PythonMachine.Interpreter();
        if (asNobody)
            Machine.NeedAnotherUser();
        if (asNobody && !File.Exists(python))
            Assert.Skip("The system's own Python, which another user may run, is not installed.");
        var fixture = await DriverFixture.OpenAsync(change: options => (asNobody ? Machine.AsNobody(options) : options) with
        {
            Isolation = IsolationLevel.Sandbox,
            ScratchBytes = 64 << 20,
            PythonCommand = python,
            PythonPackagePath = package,
            TemplatesMemoryBytes = 1L << 30,
            SpareForks = 1,
            TemplateLoadTimeMin = TimeSpan.Zero,
        });
        if (fixture.Driver.Probes.First(probe => probe.Name == "sandbox") is { Works: false } missing)
        {
            await fixture.DisposeAsync();
            Assert.Skip("No sandbox can be made here: " + missing.Detail);
        }

        await File.WriteAllTextAsync(Path.Combine(fixture.PackageFolder, "app.py"), code, TestContext.Current.CancellationToken);
        var world = new World(fixture, await StartAsync(fixture));
        await PythonMachine.UntilAsync(() => fixture.Driver.Template(new(Endpoint, 1)) is { State: TemplateState.Ready } || Refused(fixture));
        return world;
    }

    private static bool Refused(DriverFixture fixture) => fixture.Driver.Template(new(Endpoint, 1)) is { State: TemplateState.Refused } report
        ? throw new InvalidOperationException("The template is refused: " + report.Reason) : false;

    private static async Task<Instance> StartAsync(DriverFixture fixture)
    {
        var instance = new InstanceId(new(Endpoint, 1), Interlocked.Increment(ref _instances));
        fixture.Driver.Start(new()
        {
            Instance = instance,
            Tenant = TenantId.Default,
            Spec = new() { Runtime = RuntimeKind.Python.Name, Handler = "app.py::handler", MemoryMib = 256 },
            Package = new([new PackageFile("app.py", new(new string('0', 64)), 5)]),
            Folder = fixture.PackageFolder,
            OptimisedPath = _ => null,
        });
        return new(instance, await fixture.Observer.WaitForAsync<InstanceReady>(instance));
    }

    private sealed record Instance(InstanceId Id, InstanceReady Ready)
    {
        public async Task<JsonNode> AskAsync(string what, int other = 0, int flags = 0, int to = 0, int bytes = 0)
        {
            var (_, body, _) = await PythonMachine.PostAsync(Ready.Address, new JsonObject { ["do"] = what, ["other"] = other, ["flags"] = flags, ["to"] = to, ["bytes"] = bytes }.ToJsonString());
            return body;
        }
    }

    private sealed record World(DriverFixture Fixture, Instance Plain) : IAsyncDisposable
    {
        public async Task<Instance> ForkAsync()
        {
            var started = await StartAsync(Fixture);
            Refused(Fixture);
            Assert.Equal(Rung.Fork, started.Ready.Rung);
            return started;
        }

        public ValueTask DisposeAsync() => Fixture.DisposeAsync();
    }
}
