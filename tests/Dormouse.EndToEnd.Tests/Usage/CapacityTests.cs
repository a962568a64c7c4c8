using System.Globalization;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Usage;

/// <summary>Capacity that is kept: provisioned instances and their price, floors of a schedule; over the sudden end of the server.</summary>
public sealed class CapacityTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Provisioned_instances_are_warm_from_deploy_on_and_their_time_survives_a_killed_server()
    {
        await using var first = await RunningServer.StartAsync(Cancelled);
        await DeployAsync(first, "--provisioned", "1", "--max-instances", "2", "--concurrency", "1", "--cpu", "1");
        await ReadyAsync(first, 1);

        await PlusCall.SendAsync(first, "capacity", 1, Cancelled);
        await first.KillAsync(Cancelled);
        await using var second = await RunningServer.StartAsync(Cancelled, first.Data);
        await ReadyAsync(second, 1);
        await PlusCall.SendAsync(second, "capacity", 2, Cancelled);
        await CommandRun.DoneAsync(second, Cancelled, "stop", "capacity");

        var receipts = (await second.GetAsync("/api/v1/endpoints/capacity/invocations?limit=100", Cancelled))["invocations"]!.AsArray();
        Assert.Equal(["provisioned", "provisioned", "provisioned_time", "provisioned_time"], receipts.Select(r => Text(r, "line")).Order(StringComparer.Ordinal));
        Assert.All(receipts.Where(r => Text(r, "line") == "provisioned"), r => Assert.Equal("warm", Text(r, "start")));
        var (ended, lost) = (receipts.Single(r => Text(r, "line") == "provisioned_time" && Text(r, "outcome") == "completed"), receipts.Single(r => Text(r, "outcome") == "server_lost"));
        Assert.True(ended!["billed_ms"]!.GetValue<long>() > 0);
        Assert.Equal(0, lost!["price_pico"]!.GetValue<long>());
        var report = await second.GetAsync("/api/v1/usage?endpoint=capacity", Cancelled);
        Assert.Equal(["provisioned", "provisioned_time"], report["rows"]!.AsArray().Select(r => Text(r, "line")));
        Assert.Equal(2, report["total"]!["invocations"]!.GetValue<long>());
        Assert.Equal(
            receipts.Sum(r => r!["price_pico"]!.GetValue<long>()).ToString(CultureInfo.InvariantCulture), report["total"]!["price_pico"]!.GetValue<string>());
        Assert.Contains("capacity: provisioned time", (await CommandRun.DoneAsync(second, Cancelled, "usage")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_floor_is_kept_by_a_server_that_starts_in_mid_window_and_says_which_window_it_is()
    {
        await using var first = await RunningServer.StartAsync(Cancelled);
        await DeployAsync(first, "--floor", "0 * * * * Europe/Berlin for 1h = 1", "--max-instances", "1", "--idle-timeout", "0s");
        await ReadyAsync(first, 1);
        await first.KillAsync(Cancelled);

        await using var second = await RunningServer.StartAsync(Cancelled, first.Data);
        await ReadyAsync(second, 1);

        var scaling = await CommandRun.DoneAsync(second, Cancelled, "describe", "capacity", "--scaling");
        Assert.Matches(@"0 → 1   floor of 1 from .* to .* Europe/Berlin, 0 there", scaling.Output);
        Assert.Contains("0 * * * * Europe/Berlin for 1h = 1", (await CommandRun.DoneAsync(second, Cancelled, "describe", "capacity")).Output, StringComparison.Ordinal);
        var refused = await CommandRun.OfAsync(second, Cancelled, "deploy", ModelPath(), "--name", "capacity", "--floor", "0 0 30 2 * for 1h = 1");
        refused.AssertExit(4);
        Assert.Contains("never fires", refused.Error, StringComparison.Ordinal);
    }

    private static string? Text(JsonNode? node, string member) => node![member]!.GetValue<string>();

    private string ModelPath() => _folder.Write("model.onnx", SmallModels.Plus(1));

    private Task<CommandRun> DeployAsync(RunningServer server, params string[] settings) =>
        CommandRun.DoneAsync(server, Cancelled, ["deploy", ModelPath(), "--name", "capacity", .. settings]);

    private static Task ReadyAsync(RunningServer server, int count) => Waiting.UntilAsync(
        async () => (await server.InstancesAsync("capacity", Cancelled)).Count(i => Text(i, "state") == "ready") == count, $"{count} are ready", Cancelled);
}
