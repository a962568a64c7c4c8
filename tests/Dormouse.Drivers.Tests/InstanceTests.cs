using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Drivers.Tests.Support;

namespace Dormouse.Drivers.Tests;

public sealed class InstanceTests
{
    [Fact]
    public async Task A_started_instance_serves_and_after_stop_nothing_of_it_is_left()
    {
        await using var fixture = await DriverFixture.OpenAsync();

        var (instance, ready) = await fixture.StartReadyAsync();
        var process = DriverFixture.ProcessOf(ready.Address);
        var answer = await DriverFixture.AskAsync(ready.Address, "hello");
        var memory = fixture.Driver.MemoryBytes(instance);
        var shown = fixture.Driver.ProcessId(instance);
        fixture.Driver.Stop(instance, StopReason.Idle);
        await fixture.Observer.WaitForGoneAsync(instance);

        Assert.Equal("model|", answer);
        Assert.Equal(process, shown);
        Assert.InRange(memory ?? 0, 1 << 20, 256 << 20);
        Assert.False(Machine.IsRunning(process));
        Assert.False(File.Exists(ready.Address));
        Assert.Null(fixture.Driver.MemoryBytes(instance));
        Assert.Null(fixture.Driver.ProcessId(instance));
        Assert.Equal([typeof(InstanceReady), typeof(RecordingObserver.GoneMark)], fixture.Observer.Told(instance).Select(told => told.GetType()));
    }

    [Fact]
    public async Task Ready_tells_the_load_time_of_the_worker_and_the_interface_as_json()
    {
        await using var fixture = await DriverFixture.OpenAsync();

        var (_, ready) = await fixture.StartReadyAsync();

        Assert.Equal(TimeSpan.FromMicroseconds(1500), ready.LoadTime);
        Assert.True(ready.StartTime > TimeSpan.Zero);
        Assert.Contains("\"platform\":\"fake\"", ready.Interface, StringComparison.Ordinal);
        Assert.False(ready.UsedOptimised);
    }

    [Fact]
    public async Task Descriptors_arrive_and_stay_readable_after_the_file_has_lost_its_name()
    {
        await using var fixture = await DriverFixture.OpenAsync();
        await File.WriteAllTextAsync(fixture.OptimisedPath, "optimised", TestContext.Current.CancellationToken);

        var (_, ready) = await fixture.StartReadyAsync();
        File.Delete(fixture.OptimisedPath);

        Assert.True(ready.UsedOptimised);
        Assert.Equal("model|optimised", await DriverFixture.AskAsync(ready.Address, "hello"));
    }

    [Fact]
    public async Task A_refused_model_fails_the_start_with_the_reason_of_the_engine()
    {
        await using var fixture = await DriverFixture.OpenAsync();

        var instance = fixture.Start("refuse");
        await fixture.Observer.WaitForGoneAsync(instance);

        Assert.Equal(
            [new StartFailure(StartFailureKind.Model, "It is not a model."), new RecordingObserver.GoneMark()],
            fixture.Observer.Told(instance));
    }

    [Fact]
    public async Task A_worker_that_ends_while_it_loads_fails_the_start()
    {
        await using var fixture = await DriverFixture.OpenAsync();

        var instance = fixture.Start("crash-loading");
        await fixture.Observer.WaitForGoneAsync(instance);

        var told = fixture.Observer.Told(instance);
        var failure = Assert.IsType<StartFailure>(told[0]);
        Assert.Equal(StartFailureKind.Crash, failure.Kind);
        Assert.Contains("exit code 9", failure.Reason, StringComparison.Ordinal);
        Assert.Equal(2, told.Length);
    }

    [Fact]
    public async Task A_worker_that_ends_while_it_serves_is_lost_and_then_gone()
    {
        await using var fixture = await DriverFixture.OpenAsync();

        var (instance, ready) = await fixture.StartReadyAsync();
        await DriverFixture.AskAsync(ready.Address, "crash");
        await fixture.Observer.WaitForGoneAsync(instance);

        var told = fixture.Observer.Told(instance);
        Assert.Equal([typeof(InstanceReady), typeof(InstanceLoss), typeof(RecordingObserver.GoneMark)], told.Select(what => what.GetType()));
        Assert.Equal(new InstanceLoss(InstanceLossKind.Crashed, "The worker ended with exit code 3."), told[1]);
    }

    [Fact]
    public async Task Workers_killed_by_someone_while_they_load_are_replaced_until_the_start_is_stopped()
    {
        await using var fixture = await DriverFixture.OpenAsync();

        var instance = fixture.Start("hang");
        for (var killed = 0; killed < 12; killed++)
        {
            await fixture.Observer.WaitForLinesAsync(instance, (2 * killed) + 1);
            await Machine.KillAsync(int.Parse(fixture.Observer.Lines(instance)[2 * killed].Split(' ')[1], null));
        }

        await fixture.Observer.WaitForLinesAsync(instance, 25);
        Assert.Contains("ended by signal 9 (killed) from outside", fixture.Observer.Lines(instance)[1], StringComparison.Ordinal);
        Assert.Empty(fixture.Observer.Told(instance));
        fixture.Driver.Stop(instance, StopReason.StartTimedOut);
        await fixture.Observer.WaitForGoneAsync(instance);
        Assert.Equal([new RecordingObserver.GoneMark()], fixture.Observer.Told(instance));
    }

    [Fact]
    public async Task An_instance_that_is_stopped_while_it_loads_is_gone_without_another_word()
    {
        await using var fixture = await DriverFixture.OpenAsync();

        var instance = fixture.Start("hang");
        await fixture.Observer.WaitForLineAsync(instance, "hanging");
        fixture.Driver.Stop(instance, StopReason.StartTimedOut);
        await fixture.Observer.WaitForGoneAsync(instance);

        Assert.Equal([new RecordingObserver.GoneMark()], fixture.Observer.Told(instance));
    }

    [Fact]
    public async Task An_instance_over_its_memory_is_lost_for_that_reason()
    {
        await using var fixture = await DriverFixture.OpenAsync();
        if (!fixture.HasCgroups)
            Assert.Skip("No cgroup can be written here: nothing kills a worker for its memory.");

        var (instance, ready) = await fixture.StartReadyAsync(memoryMib: 128);
        await DriverFixture.AskAsync(ready.Address, "eat");
        var loss = await fixture.Observer.WaitForAsync<InstanceLoss>(instance);
        await fixture.Observer.WaitForGoneAsync(instance);

        Assert.Equal(new InstanceLoss(InstanceLossKind.MemoryExceeded, "The instance used more than its 128 MiB."), loss);
    }

    [Fact]
    public async Task A_model_that_does_not_fit_while_it_loads_fails_the_start_for_memory()
    {
        await using var fixture = await DriverFixture.OpenAsync();
        if (!fixture.HasCgroups)
            Assert.Skip("No cgroup can be written here: nothing kills a worker for its memory.");

        var instance = fixture.Start("eat-loading", memoryMib: 128);
        var failure = await fixture.Observer.WaitForAsync<StartFailure>(instance);

        Assert.Equal(StartFailureKind.Memory, failure.Kind);
        Assert.Contains("128 MiB", failure.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_worker_started_ends_with_it()
    {
        await using var fixture = await DriverFixture.OpenAsync();

        var (instance, _) = await fixture.StartReadyAsync("grandchild");
        await fixture.Observer.WaitForLineAsync(instance, "grandchild");
        var grandchild = int.Parse(fixture.Observer.Lines(instance)[0].Split(' ')[1], null);
        Assert.True(Machine.IsRunning(grandchild));
        fixture.Driver.Stop(instance, StopReason.Idle);
        await fixture.Observer.WaitForGoneAsync(instance);

        Assert.False(Machine.IsRunning(grandchild));
        Assert.Equal(fixture.HasCgroups, fixture.Observer.Lines(instance).Any(line => line.StartsWith("[1 process that it had started and left running ended with it: ", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_chatty_worker_is_cut_short_with_a_count()
    {
        await using var fixture = await DriverFixture.OpenAsync();

        var (instance, _) = await fixture.StartReadyAsync("chatter");
        await fixture.Observer.WaitForLineAsync(instance, "lines dropped");

        var lines = fixture.Observer.Lines(instance);
        Assert.StartsWith("line 0 xxx", lines[0], StringComparison.Ordinal);
        Assert.Equal(4096, lines[0].Length);
        Assert.True(lines.Length < 5000, $"{lines.Length} lines");
    }

    [Fact]
    public async Task A_package_without_a_model_fails_without_a_worker()
    {
        await using var fixture = await DriverFixture.OpenAsync();
        var instance = new InstanceId(new(new(Guid.Empty), 2), 1);

        fixture.Driver.Start(new()
        {
            Instance = instance,
            Tenant = new("default"),
            Spec = new() { Runtime = "onnx" },
            Package = new([new("readme.md", new(new string('0', 64)), 1)]),
            Folder = fixture.PackageFolder,
            OptimisedPath = _ => null,
        });
        await fixture.Observer.WaitForGoneAsync(instance);

        Assert.Equal(new StartFailure(StartFailureKind.Model, ModelFiles.MissingReason), fixture.Observer.Told(instance)[0]);
    }

    [Fact]
    public async Task Many_starts_at_once_are_all_served_and_all_go()
    {
        await using var fixture = await DriverFixture.OpenAsync();

        var instances = Enumerable.Range(0, 8).Select(_ => fixture.Start()).ToArray();
        foreach (var instance in instances)
            await fixture.Observer.WaitForAsync<InstanceReady>(instance);
        foreach (var instance in instances)
            fixture.Driver.Stop(instance, StopReason.Retired);
        foreach (var instance in instances)
            await fixture.Observer.WaitForGoneAsync(instance);

        Assert.All(instances, instance => Assert.Equal(2, fixture.Observer.Told(instance).Length));
    }

    [Fact]
    public async Task Disposal_says_gone_for_every_instance()
    {
        var fixture = await DriverFixture.OpenAsync();
        var (serving, _) = await fixture.StartReadyAsync();
        var loading = fixture.Start("hang");
        await fixture.Observer.WaitForLineAsync(loading, "hanging");

        await fixture.DisposeAsync();

        Assert.Equal([typeof(InstanceReady), typeof(RecordingObserver.GoneMark)], fixture.Observer.Told(serving).Select(told => told.GetType()));
        Assert.Equal([new RecordingObserver.GoneMark()], fixture.Observer.Told(loading));
    }
}
