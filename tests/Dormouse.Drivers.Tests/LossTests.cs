using System.Diagnostics;
using Dormouse.Core.Instances;
using Dormouse.Drivers.Launching;
using Dormouse.Drivers.Tests.Support;

namespace Dormouse.Drivers.Tests;

/// <summary>Programs that end when they should not: workers before their time, the launcher, the server.</summary>
public sealed class LossTests
{
    [Theory]
    [InlineData("ready")]
    [InlineData("deaf")]
    public async Task A_killed_launcher_takes_its_instances_along_and_is_replaced(string behaviour)
    {
        if (behaviour == "deaf" && !File.Exists("/usr/bin/setpriv"))
            Assert.Skip("setpriv (util-linux) is not installed: a worker that ignores its control socket outlives a killed launcher until the sweep.");
        await using var fixture = await DriverFixture.OpenAsync();
        var (instance, ready) = await fixture.StartReadyAsync(behaviour);
        var loading = fixture.Start("hang");
        await fixture.Observer.WaitForLineAsync(loading, "hanging");
        var worker = DriverFixture.ProcessOf(ready.Address);

        await Machine.KillAsync(fixture.Processes().Launcher);
        await fixture.Observer.WaitForGoneAsync(instance);
        await fixture.Observer.WaitForGoneAsync(loading);

        await Machine.WaitForEndAsync(worker);
        Assert.False(File.Exists(ready.Address));
        Assert.Equal(InstanceLossKind.LauncherLost, Assert.IsType<InstanceLoss>(fixture.Observer.Told(instance)[1]).Kind);
        Assert.Equal(StartFailureKind.Crash, Assert.IsType<StartFailure>(fixture.Observer.Told(loading)[0]).Kind);
        var (_, again) = await fixture.StartReadyAsync();
        Assert.Equal("model|", await DriverFixture.AskAsync(again.Address, "hello"));
    }

    [Fact]
    public async Task A_driver_whose_launcher_was_missing_opens_when_it_is_there()
    {
        var hidden = "";
        await using var fixture = await DriverFixture.OpenAsync(change: options =>
        {
            hidden = Path.Combine(Path.GetDirectoryName(options.RunFolder)!, "launcher"); // Not null: it is in the test's folder.
            return options with { LauncherPath = hidden };
        }, opens: false);
        await Assert.ThrowsAsync<LauncherException>(() => fixture.Driver.OpenAsync(fixture.Observer, TestContext.Current.CancellationToken));
        var command = string.Join(' ', ProgramCommand.For(Machine.LauncherPath));
        await File.WriteAllTextAsync(hidden, $"#!/bin/sh\nexec {command} \"$@\"\n", TestContext.Current.CancellationToken);
        File.SetUnixFileMode(hidden, UnixFileMode.UserRead | UnixFileMode.UserExecute);

        await fixture.Driver.OpenAsync(fixture.Observer, TestContext.Current.CancellationToken);

        var (_, ready) = await fixture.StartReadyAsync();
        Assert.Equal("model|", await DriverFixture.AskAsync(ready.Address, "hello"));
        await Assert.ThrowsAsync<InvalidOperationException>(() => fixture.Driver.OpenAsync(fixture.Observer, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task An_instance_killed_from_outside_is_lost_as_killed()
    {
        await using var fixture = await DriverFixture.OpenAsync();
        var (instance, ready) = await fixture.StartReadyAsync();

        await Machine.KillAsync(DriverFixture.ProcessOf(ready.Address));

        Assert.Equal(InstanceLossKind.Killed, (await fixture.Observer.WaitForAsync<InstanceLoss>(instance)).Kind);
    }

    [Fact]
    public async Task A_start_that_comes_while_the_launcher_is_replaced_is_served()
    {
        await using var fixture = await DriverFixture.OpenAsync();
        var (lost, _) = await fixture.StartReadyAsync();

        await Machine.KillAsync(fixture.Processes().Launcher);
        await fixture.Observer.WaitForAsync<InstanceLoss>(lost);
        var (_, ready) = await fixture.StartReadyAsync();

        Assert.Equal("model|", await DriverFixture.AskAsync(ready.Address, "hello"));
    }

    [Theory]
    [InlineData("ready")]
    [InlineData("deaf")]
    public async Task Nothing_outlives_a_killed_server(string behaviour)
    {
        var folder = Directory.CreateTempSubdirectory("dmt-").FullName;
        var run = Directory.CreateDirectory(Path.Combine(folder, "run")).FullName;
        var name = Path.GetFileName(folder);
        // In a folder that others may read: the worker may be sandboxed, and another user.
        var package = Directory.CreateDirectory(Path.Combine(folder, "package")).FullName;
        await File.WriteAllTextAsync(Path.Combine(package, "model.onnx"), "model", TestContext.Current.CancellationToken);
        using var server = Process.Start(new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet")
        {
            ArgumentList = { Machine.FakeWorkerPath, "host", Machine.LauncherPath, Machine.FakeWorkerPath, run, name, package, behaviour },
            RedirectStandardOutput = true,
        });
        Assert.NotNull(server);
        var address = await server.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
        Assert.True(File.Exists(address), address);
        var others = Machine.ProcessesWith(run).Keys.Where(id => id != server.Id).ToArray();
        Assert.True(others.Length >= 2, "a launcher and a worker at least");

        server.Kill();
        foreach (var process in others)
            await Machine.WaitForEndAsync(process);

        Assert.Empty(Machine.ProcessesWith(run));
        Assert.Empty(Directory.GetFiles(run));
        Assert.Empty(Machine.CgroupsNamed(name));
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_worker_that_ends_at_start_denies_the_start_with_its_exit_code()
    {
        await using var fixture = await DriverFixture.OpenAsync(start: "crash");

        var instance = fixture.Start();
        var failure = await fixture.Observer.WaitForAsync<StartFailure>(instance);

        Assert.Equal(new StartFailure(StartFailureKind.Crash, "The worker ended with exit code 7 before it was ready."), failure);
    }

    [Theory]
    [InlineData("garbage")]
    [InlineData("flood")]
    public async Task A_worker_that_breaks_the_protocol_is_killed(string start)
    {
        await using var fixture = await DriverFixture.OpenAsync(start);

        var instance = fixture.Start();
        var failure = await fixture.Observer.WaitForAsync<StartFailure>(instance);

        Assert.Equal(StartFailureKind.Crash, failure.Kind);
        Assert.Contains("broke the control protocol", failure.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_worker_program_is_a_clear_failure()
    {
        await using var fixture = await DriverFixture.OpenAsync(change: options => options with { WorkerPath = "/nowhere/dormouse-worker" });

        var instance = fixture.Start();
        var failure = await fixture.Observer.WaitForAsync<StartFailure>(instance);

        Assert.Contains("its program is not there", failure.Reason, StringComparison.Ordinal);
        Assert.DoesNotContain("/nowhere", failure.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_launcher_program_is_told_when_the_driver_opens()
    {
        var exception = await Assert.ThrowsAsync<LauncherException>(() => DriverFixture.OpenAsync(change: options => options with { LauncherPath = "/nowhere/launcher" }));

        Assert.Contains("/nowhere/launcher", exception.Message, StringComparison.Ordinal);
    }
}
