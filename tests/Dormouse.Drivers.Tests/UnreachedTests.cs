using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Drivers.Tests.Support;

namespace Dormouse.Drivers.Tests;

/// <summary>What the log of an instance without a network says of its attempts to reach somebody.</summary>
public sealed class UnreachedTests
{
    private const string App = """
        import socket
        def handler(input):
            try:
                socket.create_connection((input, 80), 5)
            except OSError as error:
                return str(error)
        """;

    private static readonly EndpointId Endpoint = new(Guid.Empty);
    private static int _instances;

    [Theory]
    [InlineData(IsolationLevel.Sandbox)]
    [InlineData(IsolationLevel.Container)]
    public async Task It_is_said_how_often_it_tried_when_it_is_ended(IsolationLevel isolation)
    {
        await using var fixture = await PythonMachine.OpenAsync(App, isolation, options => options with { TemplatesMemoryBytes = 0 });
        var (instance, ready) = await StartAsync(fixture);
        var (other, _) = await StartAsync(fixture);

        Assert.Contains("Network is unreachable", await AskAsync(ready, "192.0.2.1"), StringComparison.Ordinal);
        Assert.Contains("Network is unreachable", await AskAsync(ready, "25.1.1.1"), StringComparison.Ordinal);
        Assert.Contains("Connection refused", await AskAsync(ready, "127.0.0.1"), StringComparison.Ordinal);
        fixture.Driver.Stop(instance, StopReason.Idle);
        fixture.Driver.Stop(other, StopReason.Idle);
        await fixture.Observer.WaitForGoneAsync(instance);
        await fixture.Observer.WaitForGoneAsync(other);

        Assert.Contains("[it tried 2 times to reach another machine: it has no network]", fixture.Observer.Lines(instance));
        Assert.DoesNotContain(fixture.Observer.Lines(other), line => line.Contains("tried", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_fork_says_it_once_for_all()
    {
        await using var fixture = await PythonMachine.OpenAsync(App, IsolationLevel.Sandbox);
        await StartAsync(fixture);
        await PythonMachine.UntilAsync(() => fixture.Driver.Template(new(Endpoint, 1)) is { State: TemplateState.Ready });
        var (first, ready) = await StartAsync(fixture);
        var (second, _) = await StartAsync(fixture);
        Assert.Equal(Rung.Fork, ready.Rung);

        await AskAsync(ready, "192.0.2.1");
        foreach (var fork in (InstanceId[])[first, second])
        {
            fixture.Driver.Stop(fork, StopReason.Idle);
            await fixture.Observer.WaitForGoneAsync(fork);
        }

        Assert.Equal(["[it, or another fork of its template, tried 1 time to reach another machine: it has no network]"], fixture.Observer.Lines(first));
        Assert.Empty(fixture.Observer.Lines(second));
    }

    private static async Task<string> AskAsync(InstanceReady ready, string address) => (await PythonMachine.PostAsync(ready.Address, $"\"{address}\"")).Body.GetValue<string>();

    private static async Task<(InstanceId Instance, InstanceReady Ready)> StartAsync(DriverFixture fixture)
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
        return (instance, await fixture.Observer.WaitForAsync<InstanceReady>(instance));
    }
}
