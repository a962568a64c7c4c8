using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Logs;
using Dormouse.Server.Rollouts;
using Dormouse.Server.Tests.Fakes;
using Dormouse.Server.Tests.Gateway;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Tests.Rollouts;

public sealed class CanaryTests
{
    private static readonly CanarySettings Ten = new(10, 20, "5m");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_canary_gets_its_share_and_is_promoted_when_it_is_no_worse()
    {
        await using var server = await RunningAsync();

        var running = await server.EndpointAsync("digits");
        Assert.Equal((90, 10), (running.Traffic["r1"], running.Traffic["r2"]));
        Assert.Equal(("r2", "running", 0), (running.Canary?.Revision, running.Canary?.State, running.Canary?.New?.Calls));

        Count(server, running, 1, Outcome.Completed, 20);
        Count(server, running, 2, Outcome.Completed, 20);

        var promoted = await EndedAsync(server);
        Assert.Equal(100, promoted.Traffic["r2"]);
        Assert.Equal("promoted", promoted.Canary?.State);
        Assert.Equal("no worse in 20 calls: 0 % failed against 0 % of 20, median run 0.995 ms against 0.995 ms", promoted.Canary?.Reason);
        Assert.Contains(await LogAsync(server), line => line.StartsWith("canary r2 is promoted: no worse in 20 calls", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_canary_that_fails_is_rolled_back()
    {
        await using var server = await RunningAsync();
        var running = await server.EndpointAsync("digits");

        Count(server, running, 1, Outcome.Completed, 100);
        Count(server, running, 2, Outcome.Failed, 8);

        var back = await EndedAsync(server);
        Assert.Equal(100, back.Traffic["r1"]);
        Assert.Equal("rolled_back", back.Canary?.State);
        Assert.StartsWith("it fails more often:", back.Canary?.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Looks_taken_are_stored()
    {
        await using var server = await RunningAsync();
        var running = await server.EndpointAsync("digits");

        Count(server, running, 1, Outcome.Completed, 4);
        Count(server, running, 2, Outcome.Completed, 4);

        var watches = server.Services.GetRequiredService<CanaryWatches>();
        await Conditions.UntilAsync(() => watches.All[0].Looks == 2, "two looks are taken");
        Assert.Equal(2, (await server.Storage.Catalogue.FindAsync(TenantId.Default, "digits", Cancellation))?.Canary?.LooksTaken);
    }

    [Fact]
    public async Task Cold_runs_beside_warm_ones_keep_it_waiting_for_times_to_compare()
    {
        await using var server = await RunningAsync();
        var running = await server.EndpointAsync("digits");

        Count(server, running, 1, Outcome.Completed, 20);
        Count(server, running, 2, Outcome.Completed, 20, StartKind.Cold);

        var watches = server.Services.GetRequiredService<CanaryWatches>();
        await Conditions.UntilAsync(() => watches.All is [{ Looks: 4 }], "all looks but the last are taken");
        var waiting = (await server.EndpointAsync("digits")).Canary;
        Assert.Equal(("running", 0, 20, 20, 0), (waiting?.State, waiting?.New?.WarmRuns, waiting?.New?.ColdRuns, waiting?.Old?.WarmRuns, waiting?.Old?.ColdRuns));
        Assert.Equal("10 warm runs of each, or as many after a cold start: 0 and 20 against 20 and 0", waiting?.WaitsFor);

        Count(server, running, 2, Outcome.Completed, 10);

        Assert.Equal("no worse in 30 calls: 0 % failed against 0 % of 20, median run 0.995 ms against 0.995 ms", (await EndedAsync(server)).Canary?.Reason);
    }

    [Fact]
    public async Task A_manual_rollback_ends_it_and_says_so()
    {
        await using var server = await RunningAsync();

        (await server.Admin.PostAsync("/api/v1/endpoints/digits/rollback", null, Cancellation)).EnsureSuccessStatusCode();

        var ended = await server.EndpointAsync("digits");
        Assert.Equal(100, ended.Traffic["r1"]);
        Assert.Equal(("ended", "the traffic was changed"), (ended.Canary?.State, ended.Canary?.Reason));
        Assert.Empty(server.Services.GetRequiredService<CanaryWatches>().All);
    }

    [Fact]
    public async Task Another_deploy_ends_it()
    {
        await using var server = await RunningAsync();

        (await server.DeployAsync("digits", "good third")).EnsureSuccessStatusCode();

        var ended = await server.EndpointAsync("digits");
        Assert.Equal(100, ended.Traffic["r3"]);
        Assert.Equal(("ended", "r3 was deployed"), (ended.Canary?.State, ended.Canary?.Reason));
    }

    [Fact]
    public async Task A_deleted_endpoint_is_watched_no_more()
    {
        await using var server = await RunningAsync();

        (await server.Admin.DeleteAsync("/api/v1/endpoints/digits", Cancellation)).EnsureSuccessStatusCode();

        Assert.Empty(server.Services.GetRequiredService<CanaryWatches>().All);
    }

    [Fact]
    public async Task A_canary_that_is_refused_at_verifying_never_begins()
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good")).EnsureSuccessStatusCode();

        using var response = await DeployAsync(server, "bad second", Ten);

        await ControlServer.ProblemAsync(response, ProblemCode.ModelInvalid);
        var ended = await server.EndpointAsync("digits");
        Assert.Equal(100, ended.Traffic["r1"]);
        Assert.Equal(("ended", "r2 was refused at verifying"), (ended.Canary?.State, ended.Canary?.Reason));
    }

    [Theory]
    [InlineData(0, "canary.percent is 0; allowed are 1 to 99.")]
    [InlineData(100, "canary.percent is 100; allowed are 1 to 99.")]
    public async Task A_share_out_of_bounds_is_refused_and_changes_nothing(int percent, string message)
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good")).EnsureSuccessStatusCode();

        using var response = await DeployAsync(server, "good second", new CanarySettings(percent));

        Assert.Equal(message, (await ControlServer.ProblemAsync(response, ProblemCode.SpecInvalid)).Detail);
        Assert.Single((await server.EndpointAsync("digits")).Revisions);
    }

    [Fact]
    public async Task A_first_revision_cannot_be_a_canary()
    {
        await using var server = await ControlServer.StartAsync();

        using var response = await DeployAsync(server, "good", Ten);

        Assert.Contains("deploy the first revision without", (await ControlServer.ProblemAsync(response, ProblemCode.SpecInvalid)).Detail, StringComparison.Ordinal);
        Assert.Equal(404, (int)(await server.Admin.GetAsync("/api/v1/endpoints/digits", Cancellation)).StatusCode);
    }

    [Fact]
    public async Task A_second_canary_beside_a_running_one_is_refused()
    {
        await using var server = await RunningAsync();

        using var response = await DeployAsync(server, "good third", Ten);

        Assert.Contains("r2 of 'digits' is a canary already", (await ControlServer.ProblemAsync(response, ProblemCode.Conflict)).Detail, StringComparison.Ordinal);
        var endpoint = await server.EndpointAsync("digits");
        Assert.Equal((2, "running"), (endpoint.Revisions.Length, endpoint.Canary?.State));
    }

    private static async Task<ControlServer> RunningAsync()
    {
        var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good")).EnsureSuccessStatusCode();
        (await DeployAsync(server, "good second", Ten)).EnsureSuccessStatusCode();
        return server;
    }

    private static async Task<HttpResponseMessage> DeployAsync(ControlServer server, string model, CanarySettings canary) =>
        await server.PostDeployAsync("digits", new DeployRequest { Files = [await server.UploadAsync("model.onnx", model)], Canary = canary });

    private static async Task<EndpointInfo> EndedAsync(ControlServer server)
    {
        await Conditions.UntilAsync(() => server.Services.GetRequiredService<CanaryWatches>().All.IsEmpty, "the canary ended");
        return await server.EndpointAsync("digits");
    }

    private static async Task<string[]> LogAsync(ControlServer server)
    {
        // The line follows the end of the watch.
        var id = (await server.EndpointAsync("digits")).Id;
        var lines = new List<string>();
        await foreach (var line in server.Services.GetRequiredService<LogStore>().ReadAsync(new EndpointId(Guid.Parse(id)), 100, follow: true, Cancellation))
        {
            lines.Add(line.Text);
            if (line.Text.StartsWith("canary r2 is promoted", StringComparison.Ordinal))
            {
                break;
            }
        }

        return [.. lines];
    }

    private static void Count(ControlServer server, EndpointInfo endpoint, int revision, Outcome outcome, int count, StartKind start = StartKind.Warm)
    {
        for (var i = 0; i < count; i++)
        {
            server.Services.GetRequiredService<CanaryWatches>().Closed(new Receipt
            {
                ServerId = default,
                Sequence = i,
                Invocation = default,
                Tenant = TenantId.Default,
                Revision = new RevisionId(new EndpointId(Guid.Parse(endpoint.Id)), revision),
                Instance = 1,
                StartedAt = DateTimeOffset.UnixEpoch,
                Outcome = outcome,
                Status = 200,
                Start = start,
                Times = new InvocationTimes(0, 0, 0, 1000),
                MemoryMib = 512,
                MeteredMicroseconds = 0,
                BilledMilliseconds = 0,
                PricePico = 0,
            });
        }
    }
}
