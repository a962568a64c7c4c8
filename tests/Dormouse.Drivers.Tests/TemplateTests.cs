using System.Globalization;
using System.Text.Json.Nodes;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Drivers.Tests.Support;

namespace Dormouse.Drivers.Tests;

/// <summary>Templates and forks with the real launcher and the real runner.</summary>
public sealed class TemplateTests
{
    private const string App = """
        import dormouse, os
        app = dormouse.App("a")
        loaded_by = os.getpid()

        @app.function()
        def where(do: str = "") -> list:
            if do == "allocate":
                return [len(bytearray(os.urandom(1)) * (1 << 30))]
            if do == "exit":
                os._exit(3)
            print("called in", os.getpid(), flush=True)
            return [loaded_by, os.getpid()]
        """;

    private static readonly EndpointId Endpoint = new(Guid.Empty);

    [Fact]
    public async Task The_first_instance_is_started_plainly_and_the_next_are_forks()
    {
        await using var fixture = await OpenAsync();
        var first = await StartAsync(fixture);
        Assert.NotEqual(Rung.Fork, first.Ready.Rung);
        Assert.Equal(RungReason.NoTemplate, first.Ready.RungReason);
        await TemplateAsync(fixture, TemplateState.Ready);

        var second = await StartAsync(fixture);
        var third = await StartAsync(fixture);

        Assert.Equal((Rung.Fork, Rung.Fork), (second.Ready.Rung, third.Ready.Rung));
        Assert.Null(second.Ready.RungReason);
        var (one, other) = (await WhereAsync(second.Ready), await WhereAsync(third.Ready));
        Assert.Equal(one.LoadedBy, other.LoadedBy);
        Assert.NotEqual(one.LoadedBy, (await WhereAsync(first.Ready)).LoadedBy);
        Assert.Equal((fixture.Driver.ProcessId(second.Instance), fixture.Driver.ProcessId(third.Instance)), (one.ProcessId, other.ProcessId));
        await fixture.Observer.WaitForLineAsync(second.Instance, "called in");
        Assert.True(fixture.Driver.MemoryBytes(second.Instance) > 0);
        Assert.True(fixture.Driver.Template(first.Instance.Revision) is { Forks: 2, MemoryBytes: > 0 });

        fixture.Driver.Stop(second.Instance, StopReason.Idle);
        await fixture.Observer.WaitForGoneAsync(second.Instance);
        Assert.Equal(other, await WhereAsync(third.Ready));
    }

    [Theory]
    [InlineData(IsolationLevel.Process)]
    [InlineData(IsolationLevel.Sandbox)]
    public async Task A_start_takes_the_fork_that_was_made_ahead_and_another_is_made(IsolationLevel isolation)
    {
        await using var fixture = await OpenAsync(isolation: isolation);
        var first = await StartAsync(fixture);
        await SparesAsync(fixture, 1);
        var forked = await StartAsync(fixture);
        await SparesAsync(fixture, 1);
        var before = fixture.Driver.Template(first.Instance.Revision)!.MemoryBytes;
        await WhereAsync(forked.Ready);
        // The one that waits has learned what a first call writes to.
        await PythonMachine.UntilAsync(() => fixture.Driver.Template(first.Instance.Revision)!.MemoryBytes > before + (512 << 10));
        var template = Machine.ParentOf(fixture.Driver.ProcessId(forked.Instance) ?? 0);
        var waiting = Machine.ChildrenOf(template);

        var taken = await StartAsync(fixture);

        Assert.Equal(Rung.Fork, taken.Ready.Rung);
        Assert.Contains(fixture.Driver.ProcessId(taken.Instance) ?? 0, waiting);
        await WhereAsync(taken.Ready);
        await SparesAsync(fixture, 1);
        Assert.Equal(2, fixture.Driver.Template(first.Instance.Revision)?.Forks);
        await fixture.Driver.DisposeAsync();
        Assert.Empty(Machine.ChildrenOf(template));
    }

    [Fact]
    public async Task A_spare_fork_that_is_killed_is_made_again_and_harms_no_start()
    {
        await using var fixture = await OpenAsync();
        var first = await StartAsync(fixture);
        await SparesAsync(fixture, 1);
        var forked = await StartAsync(fixture);
        await SparesAsync(fixture, 1);
        var (template, own) = (await WhereAsync(forked.Ready)) is var where ? (where.LoadedBy, where.ProcessId) : default;
        var spare = Assert.Single(Machine.ChildrenOf(template), child => child != own);

        await Machine.KillAsync(spare);
        // There is none for a second; a look that comes later sees the next one.
        await PythonMachine.UntilAsync(() => fixture.Driver.Template(first.Instance.Revision) is { Spares: 0 } || Machine.ChildrenOf(template).Any(child => child != own && child != spare));

        Assert.Equal(Rung.Fork, (await StartAsync(fixture)).Ready.Rung);
        await SparesAsync(fixture, 1);
        Assert.DoesNotContain(spare, Machine.ChildrenOf(template));
        Assert.Equal(TemplateState.Ready, fixture.Driver.Template(first.Instance.Revision)?.State);
    }

    [Fact]
    public async Task Spare_forks_that_do_not_fit_beside_their_template_are_given_up()
    {
        long alone;
        await using (var small = await OpenAsync(spares: 0))
        {
            var revision = (await StartAsync(small)).Instance.Revision;
            await TemplateAsync(small, TemplateState.Ready);
            alone = small.Driver.Template(revision)!.MemoryBytes;
        }

        await using var fixture = await OpenAsync(memory: alone + (3 << 20), spares: 16);
        var first = await StartAsync(fixture);
        await TemplateAsync(fixture, TemplateState.Ready);

        // It was ordered after all of them, so they have come to be.
        var forked = await StartAsync(fixture);
        Assert.Equal(Rung.Fork, forked.Ready.Rung);
        var own = fixture.Driver.ProcessId(forked.Instance) ?? 0;
        await PythonMachine.UntilAsync(() => Machine.ChildrenOf(Machine.ParentOf(own)) is [var only] && only == own);
        await SparesAsync(fixture, 0);
        Assert.Equal(TemplateState.Ready, fixture.Driver.Template(first.Instance.Revision)?.State);
    }

    [Fact]
    public async Task In_a_sandbox_instances_are_forks_of_a_template_in_it_and_end_one_by_one_as_they_do()
    {
        await using var fixture = await OpenAsync(isolation: IsolationLevel.Sandbox);
        var first = await StartAsync(fixture);
        await TemplateAsync(fixture, TemplateState.Ready);
        var (stopped, crashing, killed, hungry, healthy) =
            (await StartAsync(fixture), await StartAsync(fixture), await StartAsync(fixture), await StartAsync(fixture), await StartAsync(fixture));
        Assert.All([stopped, crashing, killed, hungry, healthy], fork => Assert.Equal(Rung.Fork, fork.Ready.Rung));
        var where = await WhereAsync(healthy.Ready);
        Assert.NotEqual(where.LoadedBy, where.ProcessId);
        // Inside, processes are numbered anew.
        Assert.NotEqual(fixture.Driver.ProcessId(healthy.Instance), where.ProcessId);
        await fixture.Observer.WaitForLineAsync(healthy.Instance, "called in");

        fixture.Driver.Stop(stopped.Instance, StopReason.Idle);
        await fixture.Observer.WaitForGoneAsync(stopped.Instance);
        await CallAsync(crashing.Ready, "exit");
        Assert.Equal(new InstanceLoss(InstanceLossKind.Crashed, "The worker ended with exit code 3."), await fixture.Observer.WaitForAsync<InstanceLoss>(crashing.Instance));
        await Machine.KillAsync(fixture.Driver.ProcessId(killed.Instance) ?? 0);
        Assert.Equal(InstanceLossKind.Killed, (await fixture.Observer.WaitForAsync<InstanceLoss>(killed.Instance)).Kind);
        if (fixture.HasCgroups)
        {
            await CallAsync(hungry.Ready, "allocate");
            Assert.Equal(InstanceLossKind.MemoryExceeded, (await fixture.Observer.WaitForAsync<InstanceLoss>(hungry.Instance)).Kind);
        }

        Assert.Equal(where, await WhereAsync(healthy.Ready));
        await WhereAsync(first.Ready);
        Assert.Equal(Rung.Fork, (await StartAsync(fixture)).Ready.Rung);
    }

    [Fact]
    public async Task A_fork_that_crashes_or_needs_too_much_memory_is_lost_alone_and_for_that_reason()
    {
        await using var fixture = await OpenAsync();
        await StartAsync(fixture);
        await TemplateAsync(fixture, TemplateState.Ready);
        var (crashing, hungry, healthy) = (await StartAsync(fixture), await StartAsync(fixture), await StartAsync(fixture));

        await CallAsync(crashing.Ready, "exit");
        var crashed = await fixture.Observer.WaitForAsync<InstanceLoss>(crashing.Instance);
        Assert.Equal(InstanceLossKind.Crashed, crashed.Kind);
        Assert.Contains("exit code 3", crashed.Detail, StringComparison.Ordinal);
        if (fixture.HasCgroups)
        {
            await CallAsync(hungry.Ready, "allocate");
            Assert.Equal(InstanceLossKind.MemoryExceeded, (await fixture.Observer.WaitForAsync<InstanceLoss>(hungry.Instance)).Kind);
        }

        await WhereAsync(healthy.Ready);
        Assert.Equal(Rung.Fork, (await StartAsync(fixture)).Ready.Rung);
    }

    [Fact]
    public async Task A_fork_that_was_killed_from_outside_is_lost_as_killed()
    {
        await using var fixture = await OpenAsync();
        await StartAsync(fixture);
        await TemplateAsync(fixture, TemplateState.Ready);
        var fork = await StartAsync(fixture);

        await Machine.KillAsync((await WhereAsync(fork.Ready)).ProcessId);

        Assert.Equal(InstanceLossKind.Killed, (await fixture.Observer.WaitForAsync<InstanceLoss>(fork.Instance)).Kind);
        await fixture.Observer.WaitForGoneAsync(fork.Instance);
    }

    [Fact]
    public async Task Forks_of_a_template_that_is_killed_are_lost_and_the_next_start_is_a_plain_one()
    {
        await using var fixture = await OpenAsync();
        var first = await StartAsync(fixture);
        await TemplateAsync(fixture, TemplateState.Ready);
        var fork = await StartAsync(fixture);

        await Machine.KillAsync((await WhereAsync(fork.Ready)).LoadedBy);

        await fixture.Observer.WaitForAsync<InstanceLoss>(fork.Instance);
        await fixture.Observer.WaitForGoneAsync(fork.Instance);
        await WhereAsync(first.Ready);
        Assert.NotEqual(Rung.Fork, (await StartAsync(fixture)).Ready.Rung);
        await TemplateAsync(fixture, TemplateState.Ready);
        Assert.Equal(Rung.Fork, (await StartAsync(fixture)).Ready.Rung);
    }

    [Fact]
    public async Task Code_that_cannot_be_forked_goes_on_being_started_plainly_and_says_why()
    {
        await using var fixture = await OpenAsync("""
            import threading
            threading.Thread(target=threading.Event().wait, name="refresher", daemon=True).start()
            def handler(input):
                return input
            """);
        var first = await StartAsync(fixture, "app.py::handler");
        await TemplateAsync(fixture, TemplateState.Refused);

        Assert.Contains("refresher", fixture.Driver.Template(first.Instance.Revision)!.Reason, StringComparison.Ordinal);
        var second = await StartAsync(fixture, "app.py::handler");
        Assert.NotEqual(Rung.Fork, second.Ready.Rung);
        Assert.Equal(RungReason.TemplateRefused, second.Ready.RungReason);
    }

    [Fact]
    public async Task Code_that_fails_only_in_a_fork_is_started_plainly_within_the_same_start()
    {
        await using var fixture = await OpenAsync("""
            import dormouse, os
            first = os.getpid()
            @dormouse.on_start
            def start():
                if os.getpid() != first:
                    raise RuntimeError("not in a fork")
            def handler(input):
                return input
            """);
        var first = await StartAsync(fixture, "app.py::handler");
        await TemplateAsync(fixture, TemplateState.Ready);

        var second = await StartAsync(fixture, "app.py::handler");

        Assert.NotEqual(Rung.Fork, second.Ready.Rung);
        Assert.Equal(RungReason.ForkFailed, second.Ready.RungReason);
        Assert.Contains("not in a fork", fixture.Driver.Template(first.Instance.Revision)!.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_template_over_the_bound_is_refused_with_both_numbers()
    {
        await using var fixture = await OpenAsync(memory: 1 << 20);
        var first = await StartAsync(fixture);

        await TemplateAsync(fixture, TemplateState.Refused);

        Assert.Contains("1 MiB (workers.templates_memory)", fixture.Driver.Template(first.Instance.Revision)!.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_template_of_a_deleted_endpoint_ends()
    {
        await using var fixture = await OpenAsync();
        var first = await StartAsync(fixture);
        await TemplateAsync(fixture, TemplateState.Ready);
        var fork = await StartAsync(fixture);
        var template = (await WhereAsync(fork.Ready)).LoadedBy;
        foreach (var instance in new[] { first.Instance, fork.Instance })
        {
            fixture.Driver.Stop(instance, StopReason.Requested);
            await fixture.Observer.WaitForGoneAsync(instance);
        }

        await SparesAsync(fixture, 1);
        var spares = Machine.ChildrenOf(template);
        Assert.NotEmpty(spares);

        fixture.Driver.Forget(Endpoint);

        await PythonMachine.UntilAsync(() => !Directory.Exists($"/proc/{template.ToString(CultureInfo.InvariantCulture)}") && spares.All(spare => !Directory.Exists($"/proc/{spare.ToString(CultureInfo.InvariantCulture)}")));
        Assert.Null(fixture.Driver.Template(first.Instance.Revision));
    }

    private static Task TemplateAsync(DriverFixture fixture, TemplateState state) =>
        PythonMachine.UntilAsync(() => fixture.Driver.Template(new(Endpoint, 1)) is { } report && (report.State == state
            || (report.State != TemplateState.Starting ? throw new InvalidOperationException($"The template is {report.State}: {report.Reason}") : false)));

    private static Task SparesAsync(DriverFixture fixture, int count) =>
        PythonMachine.UntilAsync(() => fixture.Driver.Template(new(Endpoint, 1)) is { State: TemplateState.Ready } report && report.Spares == count);

    private static async Task<(int LoadedBy, int ProcessId)> WhereAsync(InstanceReady ready)
    {
        var (_, body, _) = await PythonMachine.PostAsync(ready.Address, "{}");
        return (body[0]!.GetValue<int>(), body[1]!.GetValue<int>());
    }

    /// <summary>A call that the instance does not survive.</summary>
    private static Task<HttpRequestException> CallAsync(InstanceReady ready, string what) =>
        Assert.ThrowsAsync<HttpRequestException>(() => PythonMachine.PostAsync(ready.Address, new JsonObject { ["do"] = what }.ToJsonString()));

    private static Task<DriverFixture> OpenAsync(string code = App, long memory = 1L << 30, IsolationLevel isolation = IsolationLevel.Process, int spares = 1) =>
        PythonMachine.OpenAsync(code, isolation, options => options with { TemplatesMemoryBytes = memory, SpareForks = spares });

    private static int _instances;

    private static async Task<(InstanceId Instance, InstanceReady Ready)> StartAsync(DriverFixture fixture, string handler = "app.py::where")
    {
        var instance = new InstanceId(new(Endpoint, 1), Interlocked.Increment(ref _instances));
        fixture.Driver.Start(new()
        {
            Instance = instance,
            Tenant = TenantId.Default,
            Spec = new() { Runtime = RuntimeKind.Python.Name, Handler = handler, MemoryMib = 256 },
            Package = new([new PackageFile("app.py", new(new string('0', 64)), 5)]),
            Folder = fixture.PackageFolder,
            OptimisedPath = _ => null,
        });
        return (instance, await fixture.Observer.WaitForAsync<InstanceReady>(instance));
    }
}
