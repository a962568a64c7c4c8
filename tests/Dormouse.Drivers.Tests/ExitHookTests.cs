using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Drivers.Tests.Support;

namespace Dormouse.Drivers.Tests;

/// <summary>Exit hooks of Python code, with the real launcher and the real runner: an instance that has some is told to end, not killed.</summary>
public sealed class ExitHookTests
{
    private const string App = """
        import dormouse
        app = dormouse.App("a")

        @app.cls()
        class Model:
            @dormouse.method()
            def ask(self) -> int:
                return 1

            @dormouse.exit()
            def put_away(self):
                print("put away")
        """;

    private static readonly EndpointId Endpoint = new(Guid.Empty);
    private static int _instances;

    [Theory]
    [InlineData(IsolationLevel.Process)]
    [InlineData(IsolationLevel.Sandbox)]
    [InlineData(IsolationLevel.Container)]
    public async Task They_run_when_an_instance_ends_in_order(IsolationLevel isolation)
    {
        await using var fixture = await OpenAsync(isolation);
        var (instance, ready) = await StartAsync(fixture);
        Assert.NotEqual(Rung.Fork, ready.Rung);

        fixture.Driver.Stop(instance, StopReason.Idle);
        await fixture.Observer.WaitForGoneAsync(instance);

        Assert.Equal(["put away"], fixture.Observer.Lines(instance));
        Assert.Empty(fixture.Observer.Told(instance).OfType<InstanceLoss>());
    }

    [Theory]
    [InlineData(IsolationLevel.Process)]
    [InlineData(IsolationLevel.Sandbox)]
    public async Task They_run_in_forks_too(IsolationLevel isolation)
    {
        await using var fixture = await OpenAsync(isolation, templates: true);
        await StartAsync(fixture);
        await PythonMachine.UntilAsync(() => fixture.Driver.Template(new(Endpoint, 1)) is { State: TemplateState.Ready });
        var (fork, ready) = await StartAsync(fixture);
        Assert.Equal(Rung.Fork, ready.Rung);

        fixture.Driver.Stop(fork, StopReason.Requested);
        await fixture.Observer.WaitForGoneAsync(fork);

        Assert.Contains("put away", fixture.Observer.Lines(fork));
    }

    [Fact]
    public async Task A_frozen_instance_goes_on_for_them()
    {
        await using var fixture = await OpenAsync(IsolationLevel.Process);
        var (instance, _) = await StartAsync(fixture);
        fixture.Driver.Freeze(instance, 1);

        fixture.Driver.Stop(instance, StopReason.Idle);
        await fixture.Observer.WaitForGoneAsync(instance);

        Assert.Equal(["put away"], fixture.Observer.Lines(instance));
    }

    [Fact]
    public async Task They_do_not_run_when_somebody_waits_for_the_room_or_the_instance_is_not_trusted()
    {
        await using var fixture = await OpenAsync(IsolationLevel.Process);

        foreach (var reason in (StopReason[])[StopReason.Evicted, StopReason.TimedOut, StopReason.Suspect])
        {
            var (instance, _) = await StartAsync(fixture);
            fixture.Driver.Stop(instance, reason);
            await fixture.Observer.WaitForGoneAsync(instance);
            Assert.Empty(fixture.Observer.Lines(instance));
        }
    }

    [Fact]
    public async Task They_run_before_the_driver_ends()
    {
        await using var fixture = await OpenAsync(IsolationLevel.Process, templates: true);
        var (plain, _) = await StartAsync(fixture);
        await PythonMachine.UntilAsync(() => fixture.Driver.Template(new(Endpoint, 1)) is { State: TemplateState.Ready });
        var (fork, _) = await StartAsync(fixture);

        await fixture.Driver.DisposeAsync();

        Assert.Contains("put away", fixture.Observer.Lines(plain));
        Assert.Contains("put away", fixture.Observer.Lines(fork));
    }

    private static Task<DriverFixture> OpenAsync(IsolationLevel isolation, bool templates = false) =>
        PythonMachine.OpenAsync(App, isolation, options => templates ? options : options with { TemplatesMemoryBytes = 0 });

    private static async Task<(InstanceId Instance, InstanceReady Ready)> StartAsync(DriverFixture fixture)
    {
        var instance = new InstanceId(new(Endpoint, 1), Interlocked.Increment(ref _instances));
        fixture.Driver.Start(new()
        {
            Instance = instance,
            Tenant = TenantId.Default,
            Spec = new() { Runtime = RuntimeKind.Python.Name, Handler = "app.py::Model.ask", MemoryMib = 256 },
            Package = new([new PackageFile("app.py", new(new string('0', 64)), 5)]),
            Folder = fixture.PackageFolder,
            OptimisedPath = _ => null,
        });
        return (instance, await fixture.Observer.WaitForAsync<InstanceReady>(instance));
    }
}
