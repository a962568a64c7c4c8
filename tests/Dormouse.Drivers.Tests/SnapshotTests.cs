using System.Collections.Immutable;
using System.Text;
using System.Text.Json.Nodes;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Core.Secrets;
using Dormouse.Drivers.Tests.Support;

namespace Dormouse.Drivers.Tests;

/// <summary>Snapshots with the real launcher, the real runner and the real CRIU. A driver that ends and another on the same folder are a restart of the server.</summary>
public sealed class SnapshotTests : IDisposable
{
    private const string App = """
        import dormouse, os, random, time
        app = dormouse.App("a")

        @app.cls()
        class Model:
            @dormouse.enter(snapshot=True)
            def load(self):
                self.loaded = random.getrandbits(60)
                self.at = time.monotonic()

            @dormouse.method()
            def ask(self, do: str = "") -> list:
                if do == "me":
                    with open("/proc/self/status") as status:
                        lines = dict(line.split(":", 1) for line in status)
                    return [os.getpid(), os.getuid(), int(lines["Seccomp"]), int(lines["NoNewPrivs"]), int(lines["CapEff"], 16), random.getrandbits(60)]
                return [self.loaded, self.at <= time.monotonic()]
        """;

    private static readonly EndpointId Endpoint = new(Guid.Empty);
    private static readonly RevisionId Revision = new(Endpoint, 1);
    private static int _instances;

    /// <summary>A template whose forks nobody calls for six times as long is written down without a call to compare: so it is more than a fork and its first call take on a busy machine.</summary>
    private static readonly TimeSpan Delay = TimeSpan.FromSeconds(1);

    private readonly string _folder = Directory.CreateTempSubdirectory("dms-").FullName;

    private InstanceSecrets _secrets = InstanceSecrets.None;

    private string SnapshotsFolder => Path.Combine(_folder, "snapshots");

    /// <summary>CRIU's own name for it.</summary>
    private const string KernelFacts = "criu.kdat";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task What_criu_noted_of_the_kernel_may_be_rubbish()
    {
        await using (var before = await OpenAsync(App))
            await KeptAsync(before, (await StartAsync(before)).Ready);
        var noted = Directory.GetFiles(SnapshotsFolder, KernelFacts, SearchOption.AllDirectories).Single();
        await File.WriteAllBytesAsync(noted, new byte[new FileInfo(noted).Length], Cancellation);

        await using var fixture = await OpenAsync(App);

        Assert.Equal(Rung.Restore, (await StartAsync(fixture)).Ready.Rung);
    }

    [Fact]
    public async Task After_a_restart_a_start_restores_what_a_template_had_loaded()
    {
        JsonNode loaded;
        await using (var before = await OpenAsync(App))
        {
            loaded = await KeptAsync(before, (await StartAsync(before)).Ready);
            Assert.Equal("answer", before.Driver.Snapshot(Revision)!.Compared);
        }

        await using var fixture = await OpenAsync(App);
        Assert.Equal(SnapshotState.Kept, fixture.Driver.Snapshot(Revision)?.State);
        Assert.Single(Directory.GetFiles(SnapshotsFolder, KernelFacts, SearchOption.AllDirectories));
        var (first, second) = (Begin(fixture), Begin(fixture));
        var ready = await fixture.Observer.WaitForAsync<InstanceReady>(first);
        var other = await fixture.Observer.WaitForAsync<InstanceReady>(second);

        Assert.Equal((Rung.Restore, (RungReason?)null), (ready.Rung, ready.RungReason));
        Assert.Equal(Rung.Restore, other.Rung);
        Assert.Equal(loaded.ToJsonString(), (await AskAsync(ready)).ToJsonString());
        // Each fork is shut in as every instance, and draws numbers of its own.
        var (one, two) = (await AskAsync(ready, "me"), await AskAsync(other, "me"));
        Assert.NotEqual(0, one[1]!.GetValue<int>());
        Assert.Equal("2 1 0", $"{one[2]} {one[3]} {one[4]}");
        Assert.NotEqual(one[0]!.GetValue<int>(), two[0]!.GetValue<int>());
        Assert.NotEqual(one[5]!.GetValue<long>(), two[5]!.GetValue<long>());
        Assert.True(fixture.Driver.Snapshot(Revision) is { Restored: 1, Failed: 0 });
        Assert.True(fixture.Driver.Template(Revision) is { State: TemplateState.Ready, MemoryBytes: > 1 << 20 });
        Assert.Equal(Rung.Fork, (await StartAsync(fixture)).Ready.Rung);

        fixture.Driver.Forget(Endpoint);
        await PythonMachine.UntilAsync(() => Directory.GetDirectories(SnapshotsFolder).Length == 0);
    }

    [Fact]
    public async Task A_damaged_snapshot_is_given_up_within_the_same_start()
    {
        await using (var before = await OpenAsync(App))
        {
            await KeptAsync(before, (await StartAsync(before)).Ready);
        }

        // One bit of one page, of which CRIU says nothing.
        var image = Path.Combine(Assert.Single(Directory.GetDirectories(SnapshotsFolder)), "pages-1.img");
        await using (var bytes = new FileStream(image, FileMode.Open))
        {
            bytes.Position = bytes.Length / 2;
            var value = bytes.ReadByte();
            bytes.Position--;
            bytes.WriteByte((byte)(value ^ 1));
        }

        await using var fixture = await OpenAsync(App);
        var (_, ready) = await StartAsync(fixture);

        Assert.NotEqual(Rung.Restore, ready.Rung);
        Assert.Equal(RungReason.RestoreFailed, ready.RungReason);
        Assert.True(fixture.Driver.Snapshot(Revision) is { Restored: 0, Failed: 1, Reason: "Its files are not what was written." }, fixture.Driver.Snapshot(Revision)?.ToString());
        // The next template is written down anew.
        await KeptAsync(fixture, ready);
    }

    [Fact]
    public async Task Answers_that_differ_after_the_restore_refuse_the_snapshot()
    {
        await using var fixture = await OpenAsync("""
            import os
            def handler(input):
                return os.readlink("/proc/self/ns/net")
            """);
        await StartAsync(fixture, handler: null);

        var report = await RefusedAsync(fixture, handler: null);

        Assert.Contains("It answers otherwise", report.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("import time\nown = time.time\ntime.time = lambda: own() - 3600", "Its clock is -3")]
    [InlineData("import time\nown = time.monotonic\ntime.monotonic = lambda: own() - 3600", "Its monotonic clock is -3")]
    [InlineData("import os, random\nos.register_at_fork(after_in_child=lambda: random.seed(7))", "Two forks of it draw the same random numbers from random.")]
    [InlineData("import os\nos.urandom = bytes", "Two forks of it draw the same random numbers from os.urandom.")]
    [InlineData("import sys, types\nfixed = sys.modules['numpy.random'] = types.ModuleType('fixed')\nfixed.seed = lambda: None\nfixed.random = lambda: 0.5", "Two forks of it draw the same random numbers from numpy.random.")]
    [InlineData("import os, socket\nkept = []\nos.register_at_fork(after_in_child=lambda: kept.append(socket.socketpair()))", "It has sockets or pipes after it was restored that it should not have (socket:")]
    public async Task What_misbehaves_once_it_is_restored_refuses_the_snapshot(string misdeed, string reason)
    {
        await using var fixture = await OpenAsync($"{misdeed}\ndef handler(input):\n    return input\n");
        await StartAsync(fixture, handler: null);

        var report = await RefusedAsync(fixture, handler: null);

        Assert.StartsWith(reason, report.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_restored_process_that_fails_where_the_one_before_did_not_refuses_the_snapshot()
    {
        await using var fixture = await OpenAsync("""
            import os, random
            made_in = os.readlink("/proc/self/ns/net")
            def handler(input):
                if os.readlink("/proc/self/ns/net") != made_in:
                    raise ValueError(random.random())
                return random.random()
            """);
        await StartAsync(fixture, handler: null);

        var report = await RefusedAsync(fixture, handler: null);

        Assert.Equal("It answers with status 500, before it was written down with 200.", report.Reason);
    }

    [Fact]
    public async Task What_a_fork_finds_wiped_a_restored_process_finds_wiped_too()
    {
        // So C libraries keep the state that random numbers are drawn from: what a fork finds in it, and what it then draws, would be the same in all of them.
        const string Code = """
            import dormouse, mmap, os
            app = dormouse.App("a")
            state = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            state.madvise(18)  # MADV_WIPEONFORK
            found = [0]

            def draw():
                found.append(state[0])
                state[0] = 7

            os.register_at_fork(after_in_child=draw)

            @app.cls()
            class Model:
                @dormouse.method()
                def ask(self, do: str = "") -> int:
                    return found[-1]
            """;
        await using (var before = await OpenAsync(Code))
            Assert.Equal("0", (await KeptAsync(before, (await StartAsync(before)).Ready)).ToJsonString());

        await using var fixture = await OpenAsync(Code);
        var (first, second) = (await StartAsync(fixture), await StartAsync(fixture));

        Assert.Equal((Rung.Restore, Rung.Fork), (first.Ready.Rung, second.Ready.Rung));
        Assert.Equal("0 0", $"{await AskAsync(first.Ready)} {await AskAsync(second.Ready)}");
    }

    [Theory]
    [InlineData("import tempfile\nkept = tempfile.NamedTemporaryFile(delete=False).name", IsolationLevel.Sandbox, "", "temporary files")]
    [InlineData("", IsolationLevel.Process, "", "not sandboxed")]
    [InlineData("", IsolationLevel.Container, "", "in containers")]
    [InlineData("", IsolationLevel.Sandbox, "hunter2", "has secrets")]
    public async Task What_cannot_be_restored_is_refused_with_the_reason(string source, IsolationLevel isolation, string secret, string reason)
    {
        await using var fixture = await OpenAsync($"{source}\ndef handler(input):\n    return input\n", isolation);
        _secrets = secret.Length > 0 ? new InstanceSecrets([KeyValuePair.Create("TOKEN", ImmutableArray.Create(Encoding.UTF8.GetBytes(secret)))], []) : InstanceSecrets.None;
        await StartAsync(fixture, handler: null);

        var report = await RefusedAsync(fixture, handler: null);

        Assert.Contains(reason, report.Reason, StringComparison.Ordinal);
    }

    /// <summary>Waits until the snapshot is verified. Returns what the code had loaded.</summary>
    /// <param name="instance">It is called first: one that is no fork.</param>
    private async Task<JsonNode> KeptAsync(DriverFixture fixture, InstanceReady instance)
    {
        await AskAsync(instance);
        await TemplateAsync(fixture);
        var (_, fork) = await StartAsync(fixture);
        var loaded = await AskAsync(fork);
        await PythonMachine.UntilAsync(() => fixture.Driver.Snapshot(Revision) switch
        {
            { State: SnapshotState.Kept } => true,
            { State: SnapshotState.Refused } refused => throw new InvalidOperationException(refused.Reason),
            { State: SnapshotState.None, Reason.Length: > 0, Failed: 0 } failed => throw new InvalidOperationException(failed.Reason),
            _ => false,
        });
        return loaded;
    }

    private async Task<SnapshotReport> RefusedAsync(DriverFixture fixture, string? handler)
    {
        await TemplateAsync(fixture);
        var (_, fork) = await StartAsync(fixture, handler);
        await AskAsync(fork);
        await PythonMachine.UntilAsync(() => fixture.Driver.Snapshot(Revision) is { State: SnapshotState.Kept or SnapshotState.Refused });
        var report = fixture.Driver.Snapshot(Revision)!;
        Assert.Equal(SnapshotState.Refused, report.State);
        return report;
    }

    private static Task TemplateAsync(DriverFixture fixture) =>
        PythonMachine.UntilAsync(() => fixture.Driver.Template(Revision) switch
        {
            { State: TemplateState.Ready } => true,
            { State: TemplateState.Refused } refused => throw new InvalidOperationException(refused.Reason),
            _ => false,
        });

    private static async Task<JsonNode> AskAsync(InstanceReady ready, string what = "") =>
        (await PythonMachine.PostAsync(ready.Address, new JsonObject { ["do"] = what }.ToJsonString())).Body;

    private Task<DriverFixture> OpenAsync(string code, IsolationLevel isolation = IsolationLevel.Sandbox)
    {
        var criu = PythonMachine.CriuFolder();
        return PythonMachine.OpenAsync(code, isolation, options => options with
        {
            SnapshotsFolder = SnapshotsFolder,
            SnapshotBytesMax = 1L << 30,
            SnapshotDelay = Delay,
            SnapshotLoadTimeMin = TimeSpan.Zero,
            Criu = criu,
        });
    }

    private InstanceId Begin(DriverFixture fixture, string? handler = "app.py::Model.ask")
    {
        var instance = new InstanceId(Revision, Interlocked.Increment(ref _instances));
        fixture.Driver.Start(new()
        {
            Instance = instance,
            Tenant = TenantId.Default,
            Spec = new() { Runtime = RuntimeKind.Python.Name, Handler = handler, MemoryMib = 256 },
            Package = new([new PackageFile("app.py", new(new string('0', 64)), 5)]),
            Folder = fixture.PackageFolder,
            OptimisedPath = _ => null,
            Secrets = _secrets,
        });
        return instance;
    }

    private async Task<(InstanceId Instance, InstanceReady Ready)> StartAsync(DriverFixture fixture, string? handler = "app.py::Model.ask")
    {
        var instance = Begin(fixture, handler);
        return (instance, await fixture.Observer.WaitForAsync<InstanceReady>(instance));
    }
}
