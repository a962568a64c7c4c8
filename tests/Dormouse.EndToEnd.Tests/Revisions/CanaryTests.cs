using System.Net;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Revisions;

/// <summary>Canaries under load: every call is answered, and the rule ends the canary by itself.</summary>
public sealed class CanaryTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    /// <summary>Calls after which a canary of 20 samples and half the traffic has long been decided.</summary>
    private const int CallsMax = 2_000;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private int _calls;

    private RunningServer Server => fixture.Server;

    [Fact]
    public async Task A_good_revision_is_promoted_and_one_that_rejects_its_calls_rolled_back()
    {
        await Server.DeployAsync("watched", [("model.onnx", SmallModels.Plus(1))], Cancelled);
        await CallAsync();

        await CanaryAsync(SmallModels.Plus(1));
        var statuses = await CallUntilEndedAsync();
        Assert.All(statuses, s => Assert.Equal(HttpStatusCode.OK, s));
        var promoted = await EndpointAsync();
        Assert.Equal(("promoted", 100), (promoted["canary"]!["state"]!.GetValue<string>(), promoted["traffic"]!["r2"]!.GetValue<int>()));

        await CanaryAsync(SmallModels.PlusSeven());
        statuses = await CallUntilEndedAsync();
        Assert.All(statuses, s => Assert.True(s is HttpStatusCode.OK or HttpStatusCode.BadRequest, $"{(int)s}"));
        Assert.Contains(HttpStatusCode.BadRequest, statuses);
        var back = await EndpointAsync();
        Assert.Equal(("rolled_back", 100), (back["canary"]!["state"]!.GetValue<string>(), back["traffic"]!["r2"]!.GetValue<int>()));
        Assert.StartsWith("it rejects more requests", back["canary"]!["reason"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, await CallAsync());
        // Every call was run once: neither lost nor run twice while the traffic moved.
        var usage = await Server.GetAsync("/api/v1/usage?endpoint=watched", Cancelled);
        Assert.Equal(_calls, usage["total"]!["invocations"]!.GetValue<int>());
    }

    private async Task CanaryAsync(byte[] model)
    {
        using var response = await Server.TryDeployAsync("watched", [("model.onnx", model)], Cancelled, canary: new JsonObject { ["percent"] = 50, ["min"] = 20 });
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(Cancelled));
    }

    private async Task<List<HttpStatusCode>> CallUntilEndedAsync()
    {
        var statuses = new List<HttpStatusCode>();
        while ((await EndpointAsync())["canary"]!["state"]!.GetValue<string>() == "running")
        {
            Assert.True(statuses.Count < CallsMax, $"{CallsMax} calls did not end the canary: {(await EndpointAsync())["canary"]}");
            statuses.AddRange(await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => CallAsync())));
        }

        return statuses;
    }

    /// <summary>Two numbers, to which seven terms cannot be added.</summary>
    private async Task<HttpStatusCode> CallAsync()
    {
        var body = new JsonObject
        {
            ["inputs"] = new JsonArray(new JsonObject { ["name"] = "x", ["shape"] = new JsonArray(2), ["datatype"] = "FP32", ["data"] = new JsonArray(1, 2) }),
        };
        Interlocked.Increment(ref _calls);
        using var response = await Server.PostAsync("/v2/models/watched/infer", body, Cancelled);
        return response.StatusCode;
    }

    private async Task<JsonNode> EndpointAsync() =>
        JsonNode.Parse(await Server.Http.GetStringAsync(new Uri("/api/v1/endpoints/watched", UriKind.Relative), Cancelled))!;
}
