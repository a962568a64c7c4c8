using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Revisions;

/// <summary>A new revision beside the one that has the traffic: reached by its tag, shown real calls, then given them. r1 adds 1, r2 adds 2.</summary>
public sealed class SideBySideTests
{
    private const int Calls = 20;
    private const int Callers = 4;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_tagged_revision_is_mirrored_to_and_takes_over_under_load_and_both_survive_a_restart()
    {
        var first = await RunningServer.StartAsync(Cancelled);
        await using (first)
        {
            await first.DeployAsync("plus", [("model.onnx", SmallModels.Plus(1))], Cancelled);
            using var deployed = await first.TryDeployAsync("plus", [("model.onnx", SmallModels.Plus(2))], Cancelled, tag: "next");
            Assert.True(deployed.IsSuccessStatusCode, await deployed.Content.ReadAsStringAsync(Cancelled));
            Assert.Equal(new PlusCall(1, 6), await PlusCall.SendAsync(first, "plus", 5, Cancelled));
            Assert.Equal(new PlusCall(2, 7), await PlusCall.SendAsync(first, "plus", 5, Cancelled, "next"));

            var differing = await MirrorAsync(first, tolerance: 1e-4);
            Assert.Equal(("outputs[0].data[0] is 6 and 7", Calls), (Shown(differing), differing["different_body"]!.GetValue<int>()));
            var same = await MirrorAsync(first, tolerance: 1);
            Assert.Equal(Calls, same["same"]!.GetValue<int>());
            var receipts = (await first.GetAsync("/api/v1/endpoints/plus/invocations?limit=1000", Cancelled))["invocations"]!.AsArray();
            Assert.Equal(2 * Calls, receipts.Count(r => r!["mirror"]!.GetValue<bool>()));
            Assert.All(receipts.Where(r => r!["mirror"]!.GetValue<bool>()), r => Assert.Equal("r2", r!["revision"]!.GetValue<string>()));
            await first.StopAsync(Cancelled);
        }

        await using var second = await RunningServer.StartAsync(Cancelled, first.Data);
        var endpoint = await second.GetAsync("/api/v1/endpoints/plus", Cancelled);
        Assert.Equal(("r2", 100), (endpoint["tags"]!["next"]!.GetValue<string>(), endpoint["mirror"]!["percent"]!.GetValue<int>()));
        Assert.Equal(new PlusCall(2, 7), await PlusCall.SendAsync(second, "plus", 5, Cancelled, "next"));
        var versions = await UnderLoadAsync(second, async () =>
        {
            await second.PutAsync("/api/v1/endpoints/plus/traffic", new JsonObject { ["traffic"] = new JsonObject { ["r2"] = 100 } }, Cancelled);
            await AnsweredByAsync(second, 2);
            using var back = await second.PostAsync("/api/v1/endpoints/plus/rollback", null, Cancelled);
            await AnsweredByAsync(second, 1);
        });
        Assert.Equal([1, 2], versions.Order());
        Directory.Delete(first.Data, recursive: true);
    }

    private static string Shown(JsonNode mirror) => mirror["last_difference"]!.GetValue<string>();

    /// <summary>Mirrors all calls to r2, calls, and waits until every copy is compared.</summary>
    private static async Task<JsonNode> MirrorAsync(RunningServer server, double tolerance)
    {
        await server.PutAsync("/api/v1/endpoints/plus/mirror", new JsonObject { ["revision"] = "r2", ["percent"] = 100, ["tolerance"] = tolerance }, Cancelled);
        for (var i = 0; i < Calls; i++)
        {
            Assert.Equal(new PlusCall(1, 6), await PlusCall.SendAsync(server, "plus", 5, Cancelled));
        }

        async Task<JsonNode> SeenAsync() => (await server.GetAsync("/api/v1/endpoints/plus", Cancelled))["mirror"]!;
        await Waiting.UntilAsync(async () => (await SeenAsync())["compared"]!.GetValue<int>() == Calls, "every copy is compared", Cancelled);
        return await SeenAsync();
    }

    private static Task AnsweredByAsync(RunningServer server, int number) =>
        Waiting.UntilAsync(async () => (await PlusCall.SendAsync(server, "plus", 0, Cancelled)).Version == number, $"r{number} answers", Cancelled);

    /// <summary>Every call must be answered, and rightly; returns which revisions answered.</summary>
    private static async Task<IReadOnlyCollection<int>> UnderLoadAsync(RunningServer server, Func<Task> changes)
    {
        using var over = new CancellationTokenSource();
        var versions = new ConcurrentDictionary<int, bool>();
        var callers = Enumerable.Range(0, Callers).Select(caller => Task.Run(async () =>
        {
            for (var x = caller; !over.IsCancellationRequested; x += Callers)
            {
                var call = await PlusCall.SendAsync(server, "plus", x, Cancelled);
                Assert.Equal(x + call.Version, call.Value);
                versions[call.Version] = true;
            }
        }, Cancelled)).ToArray();
        try
        {
            await changes();
        }
        finally
        {
            await over.CancelAsync();
        }

        await Task.WhenAll(callers);
        return [.. versions.Keys];
    }
}
