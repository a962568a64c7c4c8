using System.Collections.Immutable;
using Dormouse.Core.Instances;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Rollouts;
using Dormouse.Server.Tests.Fakes;
using Dormouse.Server.Tests.Gateway;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Tests.Rollouts;

public sealed class HandoverTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Traffic_moves_when_the_new_instances_are_ready_and_the_old_ones_stay_for_a_way_back()
    {
        await using var server = await RunningAsync();
        server.Driver.HoldsStarts = true;
        await DeployAsync(server, new HandoverSettings(KeepOld: "1h"));

        await HeldAsync(server, 2);
        var warming = await server.EndpointAsync("digits");
        Assert.Equal(100, warming.Traffic["r1"]);
        Assert.Equal(("warming", 2, 0), (warming.Handover?.State, warming.Handover?.Standby?["r2"], warming.Handover?.Ready?["r2"]));
        Assert.Contains(warming.Scaling, c => c.Revision == "r2" && c.Reason == "2 instances to be ready before the traffic comes, 0 there");

        server.Driver.ReleaseStarts();

        var moved = await UntilAsync(server, "keeping");
        Assert.Equal(100, moved.Traffic["r2"]);
        Assert.StartsWith("2 of 2 instances of r2 were ready after", moved.Handover?.Reason, StringComparison.Ordinal);
        Assert.Equal(2, moved.Handover?.Standby?["r1"]);
        Assert.Equal((2, 2), (Ready(moved, "r1"), Ready(moved, "r2")));

        (await server.Admin.PostAsync("/api/v1/endpoints/digits/rollback", null, Cancellation)).EnsureSuccessStatusCode();

        var back = await server.EndpointAsync("digits");
        Assert.Equal(100, back.Traffic["r1"]);
        Assert.Equal(("ended", "the traffic was changed"), (back.Handover?.State, back.Handover?.Reason));
        Assert.Equal(moved.Instances.Where(i => i.Revision == "r1").Select(i => i.Id), back.Instances.Where(i => i.Revision == "r1").Select(i => i.Id));
        Assert.Empty(server.Services.GetRequiredService<HandoverWatches>().All);
    }

    [Fact]
    public async Task A_revision_that_does_not_start_gets_no_traffic_and_the_reason_is_shown()
    {
        await using var server = await RunningAsync();
        server.Driver.Failure = new StartFailure(StartFailureKind.Model, "unknown operator 'Foo'");
        await DeployAsync(server, new HandoverSettings(1));

        var failed = await UntilAsync(server, "failed");

        Assert.Equal(100, failed.Traffic["r1"]);
        Assert.Equal("r2 failed to start 3 times, the last time because: unknown operator 'Foo'", failed.Handover?.Reason);
        Assert.Equal(2, Ready(failed, "r1"));
        await Conditions.UntilAsync(() => server.EndpointAsync("digits").Result.Instances.All(i => i.Revision == "r1"), "nothing of r2 is left");
    }

    [Fact]
    public async Task Traffic_of_an_older_revision_is_handed_back_the_same_way()
    {
        await using var server = await RunningAsync();
        (await server.DeployAsync("digits", "good second", new RevisionSettings { MaxInstances = 3 })).EnsureSuccessStatusCode();
        server.Driver.HoldsStarts = true;

        var begun = await PutTrafficAsync(server, "r1", new HandoverSettings(1, "1h"));
        Assert.Equal(("warming", 100), (begun.Handover?.State, begun.Traffic["r2"]));
        await HeldAsync(server, 1);
        (await server.Admin.PostAsync("/api/v1/endpoints/digits/rollback", null, Cancellation)).EnsureSuccessStatusCode();

        var ended = await server.EndpointAsync("digits");
        Assert.Equal(("ended", "it was rolled back by hand", 100), (ended.Handover?.State, ended.Handover?.Reason, ended.Traffic["r2"]));
    }

    [Fact]
    public async Task A_server_that_starts_again_goes_on_with_what_it_finds()
    {
        EndpointInfo before;
        var server = await RunningAsync();
        await using (server)
        {
            server.Driver.HoldsStarts = true;
            await DeployAsync(server, new HandoverSettings(KeepOld: "1h"));
            await HeldAsync(server, 2);
            before = await server.EndpointAsync("digits");
            server.KeepsFolder = true;
        }

        await using var second = await ControlServer.StartAsync(folder: server.Folder);
        var moved = await UntilAsync(second, "keeping");
        Assert.Equal((before.Handover?.StartedAt, 100, 2), (moved.Handover?.StartedAt, moved.Traffic["r2"], Ready(moved, "r2")));
        Assert.True(moved.Handover?.Standby?["r1"] >= 1);
    }

    [Fact]
    public async Task Kept_instances_are_started_again_after_a_restart_until_their_time_is_over()
    {
        EndpointInfo before;
        var server = await RunningAsync();
        await using (server)
        {
            await DeployAsync(server, new HandoverSettings(KeepOld: "1h"));
            before = await UntilAsync(server, "keeping");
            server.KeepsFolder = true;
        }

        await using var second = await ControlServer.StartAsync(folder: server.Folder);
        await Conditions.UntilAsync(() => Ready(second.EndpointAsync("digits").Result, "r1") == 2, "the old instances are there again");
        var after = await second.EndpointAsync("digits");
        Assert.Equal((before.Handover?.KeptUntil, "keeping"), (after.Handover?.KeptUntil, after.Handover?.State));
    }

    [Fact]
    public async Task Stopping_the_endpoint_ends_it()
    {
        await using var server = await RunningAsync();
        await DeployAsync(server, new HandoverSettings(KeepOld: "1h"));
        await UntilAsync(server, "keeping");

        (await server.Admin.PostAsync("/api/v1/endpoints/digits/stop", null, Cancellation)).EnsureSuccessStatusCode();

        var stopped = await server.EndpointAsync("digits");
        Assert.Equal(("ended", "the endpoint was stopped"), (stopped.Handover?.State, stopped.Handover?.Reason));
        Assert.Empty(stopped.Instances);
    }

    [Theory]
    [InlineData(0, null, "handover.warm is 0; allowed are 1 to 1000.")]
    [InlineData(4, null, "handover.warm is 4, but the revision has max_instances 3; allowed are 1 to 3.")]
    [InlineData(1, "soon", "handover.keep_old is 'soon'")]
    public async Task Settings_out_of_bounds_are_refused_and_change_nothing(int warm, string? keepOld, string message)
    {
        await using var server = await RunningAsync();

        using var response = await PostAsync(server, new HandoverSettings(warm, keepOld));

        Assert.StartsWith(message, (await ControlServer.ProblemAsync(response, ProblemCode.SpecInvalid)).Detail, StringComparison.Ordinal);
        Assert.Single((await server.EndpointAsync("digits")).Revisions);
    }

    [Fact]
    public async Task A_second_one_is_refused_while_one_warms()
    {
        await using var server = await RunningAsync();
        server.Driver.HoldsStarts = true;
        await DeployAsync(server, new HandoverSettings());

        using var response = await PostAsync(server, new HandoverSettings());

        Assert.Contains("is being handed over to r2=100 already", (await ControlServer.ProblemAsync(response, ProblemCode.Conflict)).Detail, StringComparison.Ordinal);
    }

    /// <summary>r1 with two instances.</summary>
    private static async Task<ControlServer> RunningAsync()
    {
        var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good", new RevisionSettings { MinInstances = 2, MaxInstances = 3 })).EnsureSuccessStatusCode();
        await Conditions.UntilAsync(() => Ready(server.EndpointAsync("digits").Result, "r1") == 2, "r1 is ready");
        return server;
    }

    private static async Task DeployAsync(ControlServer server, HandoverSettings handover) => (await PostAsync(server, handover)).EnsureSuccessStatusCode();

    private static async Task<HttpResponseMessage> PostAsync(ControlServer server, HandoverSettings handover) => await server.PostDeployAsync(
        "digits", new DeployRequest { Files = [await server.UploadAsync("model.onnx", "good second")], Handover = handover, Settings = new RevisionSettings { MaxInstances = 3 } });

    private static async Task<EndpointInfo> PutTrafficAsync(ControlServer server, string revision, HandoverSettings handover) => await ControlServer.ReadAsync(
        await server.Admin.PutAsync(
            "/api/v1/endpoints/digits/traffic",
            ControlServer.Json(new TrafficRequest(ImmutableSortedDictionary<string, int>.Empty.Add(revision, 100), handover), ControlJson.Default.TrafficRequest), Cancellation),
        ControlJson.Default.EndpointInfo);

    private static Task HeldAsync(ControlServer server, int count) => Conditions.UntilAsync(() => server.Driver.HeldCount == count, $"{count} starts are held");

    private static async Task<EndpointInfo> UntilAsync(ControlServer server, string state)
    {
        await Conditions.UntilAsync(() => server.EndpointAsync("digits").Result.Handover?.State == state, $"the handover is {state}");
        return await server.EndpointAsync("digits");
    }

    private static int Ready(EndpointInfo endpoint, string revision) => endpoint.Instances.Count(i => i.Revision == revision && i.State == "ready");
}
