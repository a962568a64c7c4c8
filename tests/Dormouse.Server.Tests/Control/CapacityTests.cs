using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Tests.Fakes;

namespace Dormouse.Server.Tests.Control;

public sealed class CapacityTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("0 0 30 2 * for 1h = 1", "whose cron expression '0 0 30 2 *' never fires")]
    [InlineData("0 8 * * * Mars/Base for 1h = 1", "whose time zone 'Mars/Base' is not known here")]
    [InlineData("0 8 * * * for 1h = 3", "with 3 instances; allowed are 1 to max_instances, which is 2.")]
    [InlineData("0 8 * * * for 30s = 1", "for 30s; allowed are 60s to 168h.")]
    [InlineData("at eight", "allowed is 'CRON [ZONE] for DURATION = INSTANCES'")]
    public async Task A_floor_that_is_not_allowed_is_named_and_nothing_is_changed(string floor, string fault)
    {
        await using var server = await ControlServer.StartAsync();

        using var refused = await server.DeployAsync("digits", "good", new RevisionSettings { MaxInstances = 2, Floors = [floor] });

        var problem = await ControlServer.ProblemAsync(refused, ProblemCode.SpecInvalid);
        Assert.Contains("floors has '" + floor[..8], problem.Detail, StringComparison.Ordinal);
        Assert.Contains(fault, problem.Detail, StringComparison.Ordinal);
        using var nothing = await server.Admin.GetAsync("/api/v1/endpoints/digits", Cancellation);
        await ControlServer.ProblemAsync(nothing, ProblemCode.EndpointNotFound);
    }

    [Fact]
    public async Task A_floor_is_shown_one_way_however_it_was_written()
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good", new RevisionSettings { Floors = ["0  8 * * MON-FRI   for 600m=1"] })).EnsureSuccessStatusCode();

        Assert.Equal(["0 8 * * MON-FRI UTC for 10h = 1"], (await server.EndpointAsync("digits")).Revisions.Single().Settings.Floors!);
    }

    [Fact]
    public async Task Provisioned_instances_are_always_there_shown_and_paid_for_on_a_line_of_their_own()
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good", new RevisionSettings { Provisioned = 1, MinInstances = 2, MaxInstances = 2 })).EnsureSuccessStatusCode();

        var running = await server.EndpointAsync("digits");
        using var stopped = await server.Admin.PostAsync("/api/v1/endpoints/digits/stop", null, Cancellation);
        using var answer = await server.Admin.GetAsync("/api/v1/usage", Cancellation);
        using var list = await server.Admin.GetAsync("/api/v1/invocations", Cancellation);

        Assert.Equal([true, false], running.Instances.Select(i => i.Provisioned));
        Assert.Equal(1, running.Revisions.Single().Settings.Provisioned);
        var usage = await ControlServer.ReadAsync(answer, ControlJson.Default.UsageReport);
        var row = Assert.Single(usage.Rows);
        Assert.Equal(("digits", "provisioned_time", 0L, 0L), (row.Endpoint, row.Line, row.Invocations, row.Failures));
        Assert.Null(usage.Total.Line);
        var receipt = Assert.Single((await ControlServer.ReadAsync(list, ControlJson.Default.ReceiptList)).Invocations);
        Assert.Equal(("provisioned_time", "", "completed"), (receipt.Line, receipt.Instance, receipt.Outcome));
        Assert.Equal((row.BilledMs, row.Price), (receipt.BilledMs, receipt.Price));
        Assert.True(receipt.MeteredMicroseconds > 0);
    }

    [Fact]
    public async Task Provisioned_instances_that_can_never_all_be_there_are_refused_and_nothing_is_changed()
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("first", "good", new RevisionSettings { Provisioned = 5, Memory = "512MiB", MaxInstances = 5 })).EnsureSuccessStatusCode();

        using var alone = await server.DeployAsync("second", "good", new RevisionSettings { Provisioned = 9, Memory = "512MiB" });
        using var together = await server.DeployAsync("second", "good", new RevisionSettings { Provisioned = 4, Memory = "512MiB" });
        using var instead = await server.DeployAsync("first", "good", new RevisionSettings { Provisioned = 8, Memory = "512MiB" });

        Assert.Contains("provisioned is 9; allowed are 0 to 8", (await ControlServer.ProblemAsync(alone, ProblemCode.SpecInvalid)).Detail, StringComparison.Ordinal);
        Assert.Contains(
            "provisioned is 4; allowed are 0 to 3: instances of 512 MiB each are to fit the machine's 4096 MiB beside the 2560 MiB that other endpoints have provisioned.",
            (await ControlServer.ProblemAsync(together, ProblemCode.SpecInvalid)).Detail, StringComparison.Ordinal);
        Assert.True(instead.IsSuccessStatusCode);
        using var second = await server.Admin.GetAsync("/api/v1/endpoints/second", Cancellation);
        await ControlServer.ProblemAsync(second, ProblemCode.EndpointNotFound);
    }
}
