using System.Net;
using System.Text.Json.Nodes;

namespace Dormouse.EndToEnd.Tests.Running;

/// <summary>A call of <see cref="SmallModels.Counter"/> and its answer, good or bad.</summary>
internal sealed record CounterCall(HttpStatusCode Status, JsonNode Answer, string Start, TimeSpan? RetryAfter)
{
    /// <summary>More turns than any test waits for.</summary>
    public const long Endless = 1_000_000_000_000;

    public string Code => Answer["code"]?.GetValue<string>() ?? "none";

    public string Detail => Answer["detail"]?.GetValue<string>() ?? "";

    public double Total => Answer["outputs"]![0]!["data"]![0]!.GetValue<double>();

    /// <param name="padding">Elements of <c>start</c>, all zero: how large the body is.</param>
    public static async Task<CounterCall> SendAsync(RunningServer server, string endpoint, long trips, CancellationToken cancellationToken, int padding = 1)
    {
        var body = new JsonObject
        {
            ["inputs"] = new JsonArray(
                new JsonObject { ["name"] = "trips", ["shape"] = new JsonArray(1), ["datatype"] = "INT64", ["data"] = new JsonArray(trips) },
                new JsonObject { ["name"] = "start", ["shape"] = new JsonArray(padding), ["datatype"] = "FP32", ["data"] = new JsonArray([.. Enumerable.Repeat(0, padding).Select(n => (JsonNode)n)]) }),
        };
        using var response = await server.PostAsync($"/v2/models/{endpoint}/infer", body, cancellationToken);
        var answer = JsonNode.Parse(await response.Content.ReadAsStringAsync(cancellationToken))!;
        var start = response.Headers.TryGetValues("Dormouse-Start", out var starts) ? starts.Single() : "";
        return new CounterCall(response.StatusCode, answer, start, response.Headers.RetryAfter?.Delta);
    }

    /// <summary>Waits until a run of this endpoint is with an instance.</summary>
    public static Task UntilRunningAsync(RunningServer server, string endpoint, int count, CancellationToken cancellationToken) => Waiting.UntilAsync(
        async () => (await server.InstancesAsync(endpoint, cancellationToken)).Sum(i => i!["running"]!.GetValue<int>()) == count, $"{count} runs of {endpoint} run", cancellationToken);

    /// <summary>Waits until so many callers of this endpoint are in its queue.</summary>
    public static Task UntilQueuedAsync(RunningServer server, string endpoint, int count, CancellationToken cancellationToken) => Waiting.UntilAsync(
        async () => (await server.GetAsync($"/api/v1/endpoints/{endpoint}", cancellationToken))["queued"]!.GetValue<int>() == count, $"{count} callers of {endpoint} wait", cancellationToken);
}
