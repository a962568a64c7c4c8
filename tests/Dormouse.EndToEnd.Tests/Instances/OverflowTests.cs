using System.Net;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Instances;

/// <summary>Two real servers: what the first has no room for runs on the second.</summary>
public sealed class OverflowTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_full_server_sends_a_call_on_and_both_keep_a_receipt()
    {
        await using var here = await RunningServer.StartAsync(Cancelled);
        await using var there = await RunningServer.StartAsync(Cancelled);
        await there.DeployAsync("work", [("model.onnx", SmallModels.Counter())], Cancelled, new JsonObject { ["public"] = true });
        await here.DeployAsync("work", [("model.onnx", SmallModels.Counter())], Cancelled, new JsonObject
        {
            ["max_instances"] = 1,
            ["concurrency"] = 1,
            ["queue_limit"] = 1,
            ["timeout"] = "5s",
            ["overflow"] = new JsonObject { ["url"] = there.Address.GetLeftPart(UriPartial.Authority) },
        });
        var running = CounterCall.SendAsync(here, "work", CounterCall.Endless, Cancelled);
        await CounterCall.UntilRunningAsync(here, "work", 1, Cancelled);
        var waiting = CounterCall.SendAsync(here, "work", 3, Cancelled);
        await CounterCall.UntilQueuedAsync(here, "work", 1, Cancelled);

        var away = await CounterCall.SendAsync(here, "work", 7, Cancelled);

        Assert.Equal((HttpStatusCode.OK, "overflow", 7.0), (away.Status, away.Start, away.Total));
        Assert.Equal(HttpStatusCode.GatewayTimeout, (await running).Status);
        Assert.Equal(3.0, (await waiting).Total);
        var receipts = (await here.GetAsync("/api/v1/endpoints/work/invocations", Cancelled))["invocations"]!.AsArray();
        var receipt = Assert.Single(receipts, r => r!["start"]!.GetValue<string>() == "overflow")!;
        Assert.Equal((there.Address.Authority, "completed", 0L), (receipt["overflow"]!.GetValue<string>(), receipt["outcome"]!.GetValue<string>(), receipt["price_pico"]!.GetValue<long>()));
        Assert.Single((await there.GetAsync("/api/v1/endpoints/work/invocations", Cancelled))["invocations"]!.AsArray());
        Assert.Equal(3, receipts.Count);

        await Task.WhenAll(here.StopAsync(Cancelled), there.StopAsync(Cancelled));
        Directory.Delete(here.Data, recursive: true);
        Directory.Delete(there.Data, recursive: true);
    }

    [Fact]
    public async Task An_address_of_the_server_itself_is_refused()
    {
        await using var server = await RunningServer.StartAsync(Cancelled);

        using var refused = await server.TryDeployAsync("work", [("model.onnx", SmallModels.Counter())], Cancelled, new JsonObject
        {
            ["overflow"] = new JsonObject { ["url"] = server.Address.GetLeftPart(UriPartial.Authority) },
        });

        Assert.Equal(HttpStatusCode.UnprocessableEntity, refused.StatusCode);
        Assert.Contains("which is this server", await refused.Content.ReadAsStringAsync(Cancelled), StringComparison.Ordinal);
        await server.StopAsync(Cancelled);
        Directory.Delete(server.Data, recursive: true);
    }
}
