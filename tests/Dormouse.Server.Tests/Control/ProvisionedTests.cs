using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Tests.Fakes;

namespace Dormouse.Server.Tests.Control;

public sealed class ProvisionedTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

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
