using System.Net;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Revisions;

/// <summary>Instances that end in the middle of a run.</summary>
public sealed class LostInstanceTests
{
    /// <summary>Turns that take a few seconds.</summary>
    private const long Long = 3_000_000;

    /// <summary>Zeros that make a JSON body of more than 1 MiB, which is not kept for a retry.</summary>
    private const int LargeBody = 800_000;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_run_whose_worker_is_killed_is_repeated_silently()
    {
        await using var server = await StartAsync();
        var call = CounterCall.SendAsync(server, "killed", Long, Cancelled);
        await CounterCall.UntilRunningAsync(server, "killed", 1, Cancelled);

        Kill(server);

        var answer = await call;
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal(Long, answer.Total);
        Assert.Contains("cause=crash", answer.Start, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_with_a_large_body_ends_as_worker_crashed()
    {
        await using var server = await StartAsync();
        var call = CounterCall.SendAsync(server, "killed", CounterCall.Endless, Cancelled, padding: LargeBody);
        await CounterCall.UntilRunningAsync(server, "killed", 1, Cancelled);
        var id = (await server.InstancesAsync("killed", Cancelled)).Single()!["id"]!.GetValue<string>();

        Kill(server);

        var answer = await call;
        Assert.Equal(HttpStatusCode.BadGateway, answer.Status);
        Assert.Equal("worker_crashed", answer.Code);
        Assert.True(answer.Answer["retryable"]!.GetValue<bool>());
        Assert.Contains(id, answer.Detail, StringComparison.Ordinal);
        Assert.Equal(2, (await CounterCall.SendAsync(server, "killed", 2, Cancelled)).Total);
    }

    [Fact]
    public async Task A_run_that_needs_more_memory_than_it_has_ends_as_memory_exceeded()
    {
        await using var server = await RunningServer.StartAsync(Cancelled);
        await server.DeployAsync("hungry", [("model.onnx", SmallModels.Hungry())], Cancelled, new() { ["memory"] = "128MiB" });
        await Digits.DeployAsync(server, "neighbour", Cancelled);

        using var enough = await server.PostAsync("/v2/models/hungry/infer", Count(1000), Cancelled);
        using var much = await server.PostAsync("/v2/models/hungry/infer", Count(250_000_000), Cancelled);
        var problem = JsonNode.Parse(await much.Content.ReadAsStringAsync(Cancelled))!;
        using var again = await server.PostAsync("/v2/models/hungry/infer", Count(1000), Cancelled);

        Assert.Equal(HttpStatusCode.OK, enough.StatusCode);
        Assert.Equal("memory_exceeded", problem["code"]?.GetValue<string>());
        Assert.Equal(HttpStatusCode.BadGateway, much.StatusCode);
        Assert.Contains("128 MiB", problem["detail"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, again.StatusCode);
        Assert.Equal("memory_exceeded", (await server.GetAsync("/api/v1/invocations/" + problem["invocation_id"]!.GetValue<string>(), Cancelled))["outcome"]!.GetValue<string>());
        await Digits.AnswersAsync(server, "neighbour", Cancelled);
    }

    private static JsonObject Count(long elements) => new()
    {
        ["inputs"] = new JsonArray(new JsonObject { ["name"] = "count", ["shape"] = new JsonArray(1), ["datatype"] = "INT64", ["data"] = new JsonArray(elements) }),
    };

    private static async Task<RunningServer> StartAsync()
    {
        var server = await RunningServer.StartAsync(Cancelled);
        await server.DeployAsync("killed", [("model.onnx", SmallModels.Counter())], Cancelled, new() { ["timeout"] = "10m", ["concurrency"] = 1, ["max_instances"] = 1 });
        return server;
    }

    private static void Kill(RunningServer server)
    {
        foreach (var worker in server.Workers())
        {
            Processes.Signal(worker, "KILL");
        }
    }
}
