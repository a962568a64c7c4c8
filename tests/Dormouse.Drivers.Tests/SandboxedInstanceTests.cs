using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Drivers.Tests.Support;

namespace Dormouse.Drivers.Tests;

/// <summary>What holds for an instance holds for a sandboxed one too; and what is only of a sandbox.</summary>
public sealed class SandboxedInstanceTests
{
    [Fact]
    public async Task It_serves_is_measured_by_its_own_process_and_after_stop_nothing_of_it_is_left()
    {
        await using var fixture = await OpenAsync();

        var (instance, ready) = await fixture.StartReadyAsync();
        var answer = await DriverFixture.AskAsync(ready.Address, "hello");
        var memory = fixture.Driver.MemoryBytes(instance);
        var process = fixture.Driver.ProcessId(instance) ?? 0;
        var program = await File.ReadAllTextAsync($"/proc/{process}/cmdline", TestContext.Current.CancellationToken);
        fixture.Driver.Stop(instance, StopReason.Idle);
        await fixture.Observer.WaitForGoneAsync(instance);

        Assert.Equal("model|", answer);
        Assert.Contains("dormouse-fake-worker", program, StringComparison.Ordinal);
        Assert.DoesNotContain("bwrap", program, StringComparison.Ordinal);
        Assert.InRange(memory ?? 0, 1 << 20, 256 << 20);
        Assert.False(Machine.IsRunning(process));
        Assert.False(File.Exists(ready.Address));
    }

    [Fact]
    public async Task Its_files_arrive_and_stay_readable_after_they_have_lost_their_names()
    {
        await using var fixture = await OpenAsync();
        await File.WriteAllTextAsync(fixture.OptimisedPath, "optimised", TestContext.Current.CancellationToken);
        File.SetUnixFileMode(fixture.OptimisedPath, UnixFileMode.UserRead | UnixFileMode.UserWrite);

        var (_, ready) = await fixture.StartReadyAsync();
        File.Delete(fixture.OptimisedPath);

        Assert.True(ready.UsedOptimised);
        Assert.Equal("model|optimised", await DriverFixture.AskAsync(ready.Address, "hello"));
    }

    [Fact]
    public async Task How_it_ended_is_told_as_of_any_other()
    {
        await using var fixture = await OpenAsync();

        var (crashed, ready) = await fixture.StartReadyAsync();
        await DriverFixture.AskAsync(ready.Address, "crash");
        var (killed, _) = await fixture.StartReadyAsync();
        await Machine.KillAsync(fixture.Driver.ProcessId(killed) ?? 0);

        Assert.Equal(new InstanceLoss(InstanceLossKind.Crashed, "The worker ended with exit code 3."), await fixture.Observer.WaitForAsync<InstanceLoss>(crashed));
        Assert.Equal(InstanceLossKind.Killed, (await fixture.Observer.WaitForAsync<InstanceLoss>(killed)).Kind);
    }

    [Fact]
    public async Task Over_its_memory_it_is_lost_for_that_reason_and_its_neighbour_is_not()
    {
        await using var fixture = await OpenAsync();
        if (!fixture.HasCgroups)
            Assert.Skip("No cgroup can be written here: nothing kills a worker for its memory.");

        var (instance, ready) = await fixture.StartReadyAsync(memoryMib: 128);
        var (_, neighbour) = await fixture.StartReadyAsync();
        await DriverFixture.AskAsync(ready.Address, "eat");
        var loss = await fixture.Observer.WaitForAsync<InstanceLoss>(instance);

        Assert.Equal(new InstanceLoss(InstanceLossKind.MemoryExceeded, "The instance used more than its 128 MiB."), loss);
        Assert.Equal("model|", await DriverFixture.AskAsync(neighbour.Address, "hello"));
    }

    [Fact]
    public async Task One_that_is_killed_while_it_loads_is_replaced()
    {
        await using var fixture = await OpenAsync();

        var instance = fixture.Start("hang");
        await fixture.Observer.WaitForLinesAsync(instance, 1);
        await Machine.KillAsync(fixture.Driver.ProcessId(instance) ?? 0);
        // What it wrote, that it was killed, and what the next wrote.
        await fixture.Observer.WaitForLinesAsync(instance, 3);

        Assert.Empty(fixture.Observer.Told(instance));
    }

    [Fact]
    public async Task An_inspection_writes_its_optimised_file_from_inside()
    {
        await using var fixture = await OpenAsync();

        var inspection = await fixture.Driver.InspectAsync(fixture.Inspection("model", optimise: true), TestContext.Current.CancellationToken);

        Assert.Equal("fake-1", Assert.IsType<Inspection.Accepted>(inspection).OptimisedKey);
        Assert.Equal("optimised model", await File.ReadAllTextAsync(fixture.OptimisedPath, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_descendant_that_left_its_session_ends_with_it()
    {
        await using var fixture = await OpenAsync();

        var (instance, _) = await fixture.StartReadyAsync("grandchild");
        await fixture.Observer.WaitForLineAsync(instance, "grandchild");
        // Other tests have such processes, too: of this one are those that its sandbox numbers.
        var sandbox = Machine.NamespaceOf(fixture.Driver.ProcessId(instance) ?? 0, "pid");
        int[] processes = [.. Machine.ProcessesWith("sleep 1000").Keys.Where(process => Machine.NamespaceOf(process, "pid") == sandbox)];
        fixture.Driver.Stop(instance, StopReason.Idle);
        await fixture.Observer.WaitForGoneAsync(instance);

        Assert.NotEmpty(processes);
        Assert.All(processes, process => Assert.False(Machine.IsRunning(process)));
        Assert.Equal(fixture.HasCgroups, fixture.Observer.Lines(instance).Any(line => line.StartsWith("[1 process that it had started and left running ended with it: ", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task It_sees_its_package_its_limit_and_nothing_of_the_machine()
    {
        await using var fixture = await OpenAsync();

        var (instance, _) = await fixture.StartReadyAsync("look-around");
        await fixture.Observer.WaitForLineAsync(instance, "done");
        var seen = fixture.Observer.Lines(instance).Select(line => line.Split(' ', 2)).ToDictionary(pair => pair[0], pair => pair[1]);

        // One step above the package is the sandbox's own root, not the test's folder with the package in it.
        Assert.Contains("package", seen["above"].Split(','));
        Assert.Contains("usr", seen["above"].Split(','));
        Assert.DoesNotContain("run/dormouse", seen["above"], StringComparison.Ordinal);
        Assert.DoesNotContain(fixture.Folder, seen["descriptors"], StringComparison.Ordinal);
        Assert.Equal("refused", seen["write"]);
        Assert.InRange(int.Parse(seen["processes"], null), 1, 3);
        if (Machine.IsRoot)
            Assert.InRange(uint.Parse(seen["user"], null), 2_000_000_000u, 2_100_000_000u);
        if (fixture.HasCgroups)
            Assert.Equal(256L << 20, long.Parse(seen["memory"], null));
        Assert.DoesNotContain("DORMOUSE", seen["environment"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_that_live_at_once_are_different_users()
    {
        if (!Machine.IsRoot)
            Assert.Skip("Only a server of root can give each instance a user of its own.");
        await using var fixture = await OpenAsync();

        var users = new HashSet<string>();
        foreach (var (instance, _) in new[] { await fixture.StartReadyAsync(), await fixture.StartReadyAsync() })
            users.Add((await File.ReadAllLinesAsync($"/proc/{fixture.Driver.ProcessId(instance)}/status", TestContext.Current.CancellationToken)).First(line => line.StartsWith("Uid:", StringComparison.Ordinal)));

        Assert.Equal(2, users.Count);
    }

    private static async Task<DriverFixture> OpenAsync()
    {
        var fixture = await DriverFixture.OpenAsync(change: options => options with { Isolation = null });
        var sandbox = fixture.Driver.Probes.First(probe => probe.Name == "sandbox");
        if (sandbox.Works)
            return fixture;
        await fixture.DisposeAsync();
        Assert.Skip("No sandbox can be made here: " + sandbox.Detail);
        return fixture;
    }
}
