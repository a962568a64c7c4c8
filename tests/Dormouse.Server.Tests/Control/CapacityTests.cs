using System.Collections.Immutable;
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

        var running = await server.StartedAsync("digits", 2);
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

    [Fact]
    public async Task A_change_of_traffic_or_a_rollback_to_provisioned_instances_without_room_is_refused_and_nothing_is_changed()
    {
        await using var server = await ControlServer.StartAsync();
        await DeployAsync(server, "first", provisioned: 5);
        await DeployAsync(server, "first", provisioned: 1);
        await DeployAsync(server, "second", provisioned: 4);

        using var all = await TrafficAsync(server, "first", ("r1", 100));
        using var split = await TrafficAsync(server, "first", ("r1", 50), ("r2", 50));
        using var rollback = await server.Admin.PostAsync("/api/v1/endpoints/first/rollback", null, Cancellation);

        Assert.Equal(
            "The provisioned instances of r1 of 'first' have 2560 MiB; allowed are 0 to 2048 MiB: they are to fit the machine's 4096 MiB beside the 2048 MiB that other endpoints have provisioned. "
                + "Deploy a revision with less, take traffic from another one, or raise machine.memory.",
            (await ControlServer.ProblemAsync(all, ProblemCode.SpecInvalid)).Detail);
        Assert.Contains("of r1 and r2 of 'first' have 3072 MiB", (await ControlServer.ProblemAsync(split, ProblemCode.SpecInvalid)).Detail, StringComparison.Ordinal);
        await ControlServer.ProblemAsync(rollback, ProblemCode.SpecInvalid);
        Assert.Equal(["r2"], (await server.EndpointAsync("first")).Traffic.Keys);

        // With less elsewhere there is room.
        await DeployAsync(server, "second", provisioned: 3);
        using var again = await TrafficAsync(server, "first", ("r1", 100));
        again.EnsureSuccessStatusCode();
    }

    [Fact]
    public async Task A_canary_is_provisioned_beside_the_revision_that_it_is_compared_with()
    {
        await using var server = await ControlServer.StartAsync();
        await DeployAsync(server, "digits", provisioned: 5);

        using var canary = await server.PostDeployAsync("digits", new DeployRequest
        {
            Files = [await server.UploadAsync("model.onnx", "good second")],
            Settings = new RevisionSettings { Provisioned = 4, Memory = "512MiB", MaxInstances = 8 },
            Canary = new CanarySettings(10),
        });

        Assert.Contains(
            "provisioned is 4; allowed are 0 to 3: instances of 512 MiB each are to fit the machine's 4096 MiB beside the 2560 MiB that other revisions and endpoints have provisioned.",
            (await ControlServer.ProblemAsync(canary, ProblemCode.SpecInvalid)).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_endpoint_whose_provisioned_instances_have_lost_their_room_stays_unloaded()
    {
        await using var server = await ControlServer.StartAsync();
        await DeployAsync(server, "first", provisioned: 5);
        (await server.Admin.PostAsync("/v2/repository/models/first/unload", null, Cancellation)).EnsureSuccessStatusCode();
        await DeployAsync(server, "second", provisioned: 4);

        using var refused = await server.Admin.PostAsync("/v2/repository/models/first/load", null, Cancellation);

        Assert.Contains("spec_invalid", await refused.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
        Assert.Equal("unloaded", (await server.EndpointAsync("first")).Status);
        (await server.Admin.PostAsync("/v2/repository/models/second/unload", null, Cancellation)).EnsureSuccessStatusCode();
        (await server.Admin.PostAsync("/v2/repository/models/first/load", null, Cancellation)).EnsureSuccessStatusCode();
    }

    private static async Task DeployAsync(ControlServer server, string name, int provisioned) =>
        (await server.DeployAsync(name, "good", new RevisionSettings { Provisioned = provisioned, Memory = "512MiB", MaxInstances = 8 })).EnsureSuccessStatusCode();

    private static Task<HttpResponseMessage> TrafficAsync(ControlServer server, string name, params (string Revision, int Weight)[] traffic) =>
        server.Admin.PutAsync(
            $"/api/v1/endpoints/{name}/traffic",
            ControlServer.Json(new TrafficRequest(traffic.ToImmutableSortedDictionary(t => t.Revision, t => t.Weight)), ControlJson.Default.TrafficRequest), Cancellation);
}
