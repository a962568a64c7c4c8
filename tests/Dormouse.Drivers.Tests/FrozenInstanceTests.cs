using System.Globalization;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Drivers.Tests.Support;
using Dormouse.Launcher.Limits;

namespace Dormouse.Drivers.Tests;

/// <summary>Freezing and thawing with the real launcher and the real runner, on a machine that can.</summary>
public sealed class FrozenInstanceTests
{
    /// <summary>A thread of its own counts, as timers of libraries do.</summary>
    private const string App = """
        import dormouse, threading, time
        app = dormouse.App("a")
        ticks = 0

        def count():
            global ticks
            while True:
                ticks += 1
                time.sleep(0.001)

        @dormouse.on_start
        def begin():
            threading.Thread(target=count, daemon=True).start()

        @app.function()
        def read() -> int:
            return ticks
        """;

    private static readonly EndpointId Endpoint = new(Guid.Empty);

    private static int _instances;

    [Theory]
    [InlineData(IsolationLevel.Process, false)]
    [InlineData(IsolationLevel.Sandbox, false)]
    [InlineData(IsolationLevel.Process, true)]
    [InlineData(IsolationLevel.Sandbox, true)]
    public async Task A_frozen_instance_stands_still_and_serves_again_when_it_is_thawed(IsolationLevel isolation, bool isFork)
    {
        await using var fixture = await OpenAsync(isolation, isFork);
        var (instance, ready) = await StartAsync(fixture, isFork);
        Assert.True(await ReadAsync(ready) >= 0);
        var process = fixture.Driver.ProcessId(instance)!.Value;

        fixture.Driver.Freeze(instance, 1);
        await PythonMachine.UntilAsync(() => IsFrozen(process));
        var (used, call) = (CpuTicks(process), ReadAsync(ready));
        Assert.True(fixture.Driver.MemoryBytes(instance) > 0);
        Assert.Equal((used, false), (CpuTicks(process), call.IsCompleted));
        fixture.Driver.Thaw(instance, 2);
        var thawed = await fixture.Observer.WaitForReadyAsync(instance, 2);

        Assert.Equal((Rung.Thaw, ready.Address, TimeSpan.Zero, (RungReason?)null), (thawed.Rung, thawed.Address, thawed.LoadTime, thawed.RungReason));
        Assert.True(thawed.StartTime > TimeSpan.Zero);
        var ticks = await call;
        await PythonMachine.UntilAsync(async () => await ReadAsync(thawed) > ticks);

        fixture.Driver.Freeze(instance, 3);
        await PythonMachine.UntilAsync(() => IsFrozen(process));
        fixture.Driver.Stop(instance, StopReason.Idle);
        await fixture.Observer.WaitForGoneAsync(instance);
        Assert.False(Machine.IsRunning(process));
        Assert.DoesNotContain(fixture.Observer.Told(instance), told => told is InstanceLoss);
    }

    [Fact]
    public async Task Of_two_orders_the_later_one_counts_in_whichever_order_they_come()
    {
        await using var fixture = await OpenAsync(IsolationLevel.Process);
        var (instance, ready) = await StartAsync(fixture);

        fixture.Driver.Thaw(instance, 2);
        fixture.Driver.Freeze(instance, 1);

        Assert.Equal(Rung.Thaw, (await fixture.Observer.WaitForReadyAsync(instance, 2)).Rung);
        Assert.True(await ReadAsync(ready) >= 0);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_is_frozen_ends_with_the_driver_and_with_its_template(bool isFork)
    {
        int process;
        await using (var fixture = await OpenAsync(IsolationLevel.Sandbox, isFork))
        {
            var (instance, _) = await StartAsync(fixture, isFork);
            process = fixture.Driver.ProcessId(instance)!.Value;
            fixture.Driver.Freeze(instance, 1);
            await PythonMachine.UntilAsync(() => IsFrozen(process));
            if (isFork)
            {
                var template = Machine.ParentOf(process);
                using var killed = System.Diagnostics.Process.GetProcessById(template);
                killed.Kill();
                await fixture.Observer.WaitForAsync<InstanceLoss>(instance);
            }
        }

        Assert.False(Machine.IsRunning(process));
    }

    [Fact]
    public async Task Where_there_is_no_freezer_the_freeze_is_refused_and_the_instance_serves_on()
    {
        await using var fixture = await OpenAsync(IsolationLevel.Process, isToWork: false);
        if (fixture.Driver.Probes.First(p => p.Name == "freezer").Works)
            Assert.Skip("The freezer works here.");
        var (instance, ready) = await StartAsync(fixture);

        fixture.Driver.Freeze(instance, 1);

        Assert.NotEmpty((await fixture.Observer.WaitForAsync<RecordingObserver.FreezeRefusal>(instance)).Reason);
        Assert.True(await ReadAsync(ready) >= 0);
    }

    [Fact]
    public void Swap_is_there_when_the_kernel_lists_some()
    {
        const string Heading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";

        Assert.False(Swap.IsIn(Heading));
        Assert.False(Swap.IsIn(""));
        Assert.True(Swap.IsIn(Heading + "/dev/zram0                              partition\t1048572\t\t0\t\t-2\n"));
    }

    /// <summary>As the kernel tells it, in whichever hierarchy the freezer is.</summary>
    private static bool IsFrozen(int process)
    {
        var folders = CgroupFolders.Find(File.ReadAllText("/proc/self/mountinfo"), File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/cgroup")));
        var freezer = folders.Controllers.TryGetValue("freezer", out var own) && File.Exists($"{own}/freezer.state") ? Freezer.V1(Path.GetDirectoryName(own)!) : Freezer.V2(Path.GetDirectoryName(own = folders.Unified)!);
        return freezer.IsStandingStill(Path.GetFileName(own)!);
    }

    /// <summary>Processor time of all its threads.</summary>
    private static long CpuTicks(int process)
    {
        var text = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/stat"));
        var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
        return long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
    }

    private static async Task<int> ReadAsync(InstanceReady ready) => (await PythonMachine.PostAsync(ready.Address, "{}")).Body.GetValue<int>();

    private static async Task<DriverFixture> OpenAsync(IsolationLevel isolation, bool hasTemplates = false, bool isToWork = true)
    {
        var (python, package) = (PythonMachine.Interpreter(), PythonMachine.PackageFolder());
        var fixture = await DriverFixture.OpenAsync(change: options => options with
        {
            Isolation = isolation,
            PythonCommand = python,
            PythonPackagePath = package,
            TemplatesMemoryBytes = hasTemplates ? 1L << 30 : 0,
            TemplateLoadTimeMin = TimeSpan.Zero,
        });
        string[] needed = [.. isToWork ? new[] { "freezer" } : [], .. isolation == IsolationLevel.Sandbox ? new[] { "sandbox" } : []];
        if (fixture.Driver.Probes.FirstOrDefault(probe => !probe.Works && needed.Contains(probe.Name)) is { } missing)
        {
            await fixture.DisposeAsync();
            Assert.Skip($"{missing.Name}: {missing.Detail}");
        }

        await File.WriteAllTextAsync(Path.Combine(fixture.PackageFolder, "app.py"), App, TestContext.Current.CancellationToken);
        return fixture;
    }

    private static async Task<(InstanceId Instance, InstanceReady Ready)> StartAsync(DriverFixture fixture, bool isFork = false)
    {
        if (isFork)
        {
            await StartAsync(fixture);
            await PythonMachine.UntilAsync(() => fixture.Driver.Template(new(Endpoint, 1)) is { State: TemplateState.Ready });
        }

        var instance = new InstanceId(new(Endpoint, 1), Interlocked.Increment(ref _instances));
        fixture.Driver.Start(new()
        {
            Instance = instance,
            Tenant = TenantId.Default,
            Spec = new() { Runtime = RuntimeKind.Python.Name, Handler = "app.py::read", MemoryMib = 256 },
            Package = new([new PackageFile("app.py", new(new string('0', 64)), 5)]),
            Folder = fixture.PackageFolder,
            OptimisedPath = _ => null,
        });
        var ready = await fixture.Observer.WaitForAsync<InstanceReady>(instance);
        Assert.Equal(isFork, ready.Rung == Rung.Fork);
        return (instance, ready);
    }
}
