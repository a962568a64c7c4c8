using Dormouse.Core.Packages;
using Dormouse.Drivers.Tests.Support;

namespace Dormouse.Drivers.Tests;

public sealed class InspectionTests
{
    [Fact]
    public async Task An_accepted_model_has_its_interface_its_load_time_and_its_optimised_file_under_the_final_name()
    {
        await using var fixture = await DriverFixture.OpenAsync();

        var inspection = await InspectAsync(fixture, fixture.Inspection("good", optimise: true));

        var accepted = Assert.IsType<Inspection.Accepted>(inspection);
        Assert.Equal("fake-1", accepted.OptimisedKey);
        Assert.Equal(TimeSpan.FromMicroseconds(700), accepted.LoadTime);
        Assert.Equal("optimised good", await File.ReadAllTextAsync(fixture.OptimisedPath, TestContext.Current.CancellationToken));
        Assert.Equal([fixture.OptimisedPath], Directory.GetFiles(fixture.Folder, "digits.ort*"));
    }

    [Fact]
    public async Task A_model_can_be_verified_without_an_optimised_file()
    {
        await using var fixture = await DriverFixture.OpenAsync();

        var accepted = Assert.IsType<Inspection.Accepted>(await InspectAsync(fixture, fixture.Inspection("good")));

        Assert.Null(accepted.OptimisedKey);
        Assert.False(File.Exists(fixture.OptimisedPath));
    }

    [Fact]
    public async Task A_refused_model_has_the_reason_and_leaves_no_file()
    {
        await using var fixture = await DriverFixture.OpenAsync();

        var inspection = await InspectAsync(fixture, fixture.Inspection("refuse", optimise: true));

        Assert.Equal(new Inspection.Refused("It is not a model."), inspection);
        Assert.Empty(Directory.GetFiles(fixture.Folder, "digits.ort*"));
    }

    [Fact]
    public async Task A_model_that_crashes_the_engine_is_refused()
    {
        await using var fixture = await DriverFixture.OpenAsync();

        var refused = Assert.IsType<Inspection.Refused>(await InspectAsync(fixture, fixture.Inspection("crash")));

        Assert.Contains("exit code 4", refused.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_over_the_time_limit_is_refused_and_its_worker_ends()
    {
        await using var fixture = await DriverFixture.OpenAsync(change: options => options with { PoolSize = 0 });

        var refused = Assert.IsType<Inspection.Refused>(await InspectAsync(fixture, fixture.Inspection("hang", limit: TimeSpan.FromMilliseconds(500))));

        Assert.Contains("longer than 0.5 s", refused.Reason, StringComparison.Ordinal);
        Assert.Empty(fixture.Processes().Workers);
    }

    [Fact]
    public async Task A_model_over_the_memory_limit_is_refused()
    {
        await using var fixture = await DriverFixture.OpenAsync();
        if (!fixture.HasCgroups)
            Assert.Skip("No cgroup can be written here: nothing kills a worker for its memory.");

        var refused = Assert.IsType<Inspection.Refused>(await InspectAsync(fixture, fixture.Inspection("eat", memoryMib: 128)));

        Assert.Contains("more than 128 MiB", refused.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_inspection_that_loses_its_launcher_is_done_again()
    {
        await using var fixture = await DriverFixture.OpenAsync(change: options => options with { PoolSize = 0 });
        var running = InspectAsync(fixture, fixture.Inspection("hang"));
        await PythonMachine.UntilAsync(() => fixture.Processes().Workers.Length > 0);

        fixture.Inspection("good");
        await Machine.KillAsync(fixture.Processes().Launcher);

        Assert.IsType<Inspection.Accepted>(await running);
    }

    [Fact]
    public async Task A_caller_who_leaves_ends_the_inspection()
    {
        await using var fixture = await DriverFixture.OpenAsync(change: options => options with { PoolSize = 0 });
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var running = fixture.Driver.InspectAsync(fixture.Inspection("hang", optimise: true), caller.Token);

        await caller.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        Assert.Empty(fixture.Processes().Workers);
        Assert.Empty(Directory.GetFiles(fixture.Folder, "digits.ort*"));
    }

    [Fact]
    public async Task Inspections_beyond_the_bound_wait_for_their_turn()
    {
        await using var fixture = await DriverFixture.OpenAsync(change: options => options with { InspectionsAtOnceMax = 1 });
        var request = fixture.Inspection("good");

        var inspections = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => InspectAsync(fixture, request)));

        Assert.All(inspections, inspection => Assert.IsType<Inspection.Accepted>(inspection));
    }

    private static Task<Inspection> InspectAsync(DriverFixture fixture, InspectionRequest request) =>
        fixture.Driver.InspectAsync(request, TestContext.Current.CancellationToken);
}
