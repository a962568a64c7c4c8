using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Revisions;

/// <summary>Traffic moves between real workers that are ready before it comes. r1 adds 1, r2 adds 2.</summary>
public sealed class HandoverTests
{
    private int _calls;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task No_call_waits_for_a_start_on_the_way_there_and_back_and_what_is_kept_survives_a_restart()
    {
        var first = await RunningServer.StartAsync(Cancelled);
        await using (first)
        {
            await first.DeployAsync("plus", [("model.onnx", SmallModels.Plus(1))], Cancelled);
            Assert.Equal(new PlusCall(1, 6), await CallAsync(first));
            await DeployAsync(first, SmallModels.Plus(2), verify: true);

            await CallUntilAsync(first, 2);
            using var back = await first.PostAsync("/api/v1/endpoints/plus/rollback", null, Cancelled);
            Assert.True(back.IsSuccessStatusCode);
            Assert.Equal(new PlusCall(1, 6), await CallAsync(first));
            await first.PutAsync(
                "/api/v1/endpoints/plus/traffic",
                new JsonObject { ["traffic"] = new JsonObject { ["r2"] = 100 }, ["handover"] = new JsonObject { ["keep_old"] = "1h" } }, Cancelled);
            await CallUntilAsync(first, 2);

            var receipts = (await first.GetAsync("/api/v1/endpoints/plus/invocations?limit=1000", Cancelled))["invocations"]!.AsArray();
            // Every call was run once, whichever revision answered it.
            Assert.Equal(_calls, receipts.Count);
            Assert.Single(receipts, r => r!["start"]!.GetValue<string>() == "cold");
            await first.StopAsync(Cancelled);
        }

        await using var second = await RunningServer.StartAsync(Cancelled, first.Data);
        await Waiting.UntilAsync(async () => (await HandoverAsync(second))["ready"]?["r1"]?.GetValue<int>() == 1, "the old instance is there again", Cancelled);
        Assert.Equal("keeping", (await HandoverAsync(second))["state"]!.GetValue<string>());
        Directory.Delete(first.Data, recursive: true);
    }

    [Fact]
    public async Task A_revision_that_no_worker_can_load_gets_no_call()
    {
        await using var server = await RunningServer.StartAsync(Cancelled);
        await server.DeployAsync("plus", [("model.onnx", SmallModels.Plus(1))], Cancelled);
        await DeployAsync(server, [1, 2, 3], verify: false);

        await Waiting.UntilAsync(async () => (await HandoverAsync(server))["state"]!.GetValue<string>() == "failed", "the handover has failed", Cancelled);

        Assert.StartsWith("r2 failed to start 3 times, the last time because: ", (await HandoverAsync(server))["reason"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal(new PlusCall(1, 6), await PlusCall.SendAsync(server, "plus", 5, Cancelled));
    }

    private static async Task DeployAsync(RunningServer server, byte[] model, bool verify)
    {
        using var response = await server.TryDeployAsync(
            "plus", [("model.onnx", model)], Cancelled, verify: verify, handover: new JsonObject { ["warm"] = 1, ["keep_old"] = "1h" });
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(Cancelled));
    }

    private Task CallUntilAsync(RunningServer server, int number) =>
        Waiting.UntilAsync(async () => (await CallAsync(server)).Version == number, $"r{number} answers", Cancelled);

    private Task<PlusCall> CallAsync(RunningServer server)
    {
        _calls++;
        return PlusCall.SendAsync(server, "plus", 5, Cancelled);
    }

    private static async Task<JsonNode> HandoverAsync(RunningServer server) => (await server.GetAsync("/api/v1/endpoints/plus", Cancelled))["handover"]!;
}
