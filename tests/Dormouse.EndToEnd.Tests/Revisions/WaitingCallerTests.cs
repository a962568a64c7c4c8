using System.Net;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Revisions;

/// <summary>Callers that wait for an instance or a slot.</summary>
public sealed class WaitingCallerTests : IAsyncLifetime
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private RunningServer? _server;

    private RunningServer Server => _server ?? throw new InvalidOperationException("The server has not started.");

    /// <summary>A server for each test: runs without an end hold the machine's cores.</summary>
    public async ValueTask InitializeAsync() => _server = await RunningServer.StartAsync(Cancelled);

    /// <summary>It is killed, since it would wait for those runs.</summary>
    public async ValueTask DisposeAsync()
    {
        await Server.KillAsync(CancellationToken.None);
        await Server.DisposeAsync();
    }

    [Fact]
    public async Task All_waiting_callers_get_a_start_failure_with_its_reason()
    {
        // Nobody looked at the model before its first call. The limits of waiting are longer than the test's own.
        await Server.DeployAsync("unloadable", [("model.onnx", SmallModels.Unloadable())], Cancelled, new() { ["start_timeout"] = "10m", ["queue_timeout"] = "10m" }, verify: false);

        var calls = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => CounterCall.SendAsync(Server, "unloadable", 1, Cancelled)));

        Assert.All(calls, call =>
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, call.Status);
            Assert.Equal("start_failed", call.Code);
            Assert.Contains("NoSuchOperator", call.Detail, StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task A_full_queue_refuses_and_a_caller_who_leaves_frees_its_place()
    {
        await OneSlotAsync("full", queueLimit: 1);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        var running = CounterCall.SendAsync(Server, "full", CounterCall.Endless, ending.Token);
        await CounterCall.UntilRunningAsync(Server, "full", 1, Cancelled);
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        var waiting = CounterCall.SendAsync(Server, "full", 1, leaving.Token);
        await CounterCall.UntilQueuedAsync(Server, "full", 1, Cancelled);

        var refused = await CounterCall.SendAsync(Server, "full", 1, Cancelled);
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await CounterCall.UntilQueuedAsync(Server, "full", 0, Cancelled);
        var next = CounterCall.SendAsync(Server, "full", 1, ending.Token);
        await CounterCall.UntilQueuedAsync(Server, "full", 1, Cancelled);

        Assert.Equal(HttpStatusCode.TooManyRequests, refused.Status);
        Assert.Equal("concurrency_limit_reached", refused.Code);
        Assert.NotNull(refused.RetryAfter);
        await ending.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Task.WhenAll(running, next));
    }

    [Fact]
    public async Task A_wait_longer_than_the_queue_timeout_ends_with_its_reason()
    {
        await OneSlotAsync("waited", queueLimit: 10, queueTimeout: "2s");
        // A start may take longer than a caller of this endpoint waits; the instance comes all the same.
        await Waiting.UntilAsync(async () => (await CounterCall.SendAsync(Server, "waited", 1, Cancelled)).Status == HttpStatusCode.OK, "an instance answers", Cancelled);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        var running = CounterCall.SendAsync(Server, "waited", CounterCall.Endless, ending.Token);
        await CounterCall.UntilRunningAsync(Server, "waited", 1, Cancelled);

        var late = await CounterCall.SendAsync(Server, "waited", 1, Cancelled);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, late.Status);
        Assert.Equal("queue_timeout", late.Code);
        Assert.NotNull(late.RetryAfter);
        await ending.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }

    [Fact]
    public async Task A_late_run_gets_504_and_its_instance_is_replaced()
    {
        await OneSlotAsync("late", queueLimit: 10, timeout: "3s");
        var first = await CounterCall.SendAsync(Server, "late", 3, Cancelled);
        Assert.Equal(HttpStatusCode.OK, first.Status);
        var before = (await Server.InstancesAsync("late", Cancelled)).Single()!["id"]!.GetValue<string>();

        var late = await CounterCall.SendAsync(Server, "late", CounterCall.Endless, Cancelled);
        var again = await CounterCall.SendAsync(Server, "late", 5, Cancelled);

        Assert.Equal(3, first.Total);
        Assert.Equal(HttpStatusCode.GatewayTimeout, late.Status);
        Assert.Equal("deadline_exceeded", late.Code);
        Assert.Contains("3 s", late.Detail, StringComparison.Ordinal);
        Assert.Equal(5, again.Total);
        // The one whose run was late may still be ending when the next has answered.
        await Waiting.UntilAsync(async () => (await Server.InstancesAsync("late", Cancelled)).All(i => i!["id"]!.GetValue<string>() != before), "nothing is left of it", Cancelled);
    }

    private async Task OneSlotAsync(string endpoint, int queueLimit, string queueTimeout = "60s", string timeout = "10m") =>
        await Server.DeployAsync(endpoint, [("model.onnx", SmallModels.Counter())], Cancelled, new()
        {
            ["concurrency"] = 1,
            ["max_instances"] = 1,
            ["queue_limit"] = queueLimit,
            ["queue_timeout"] = queueTimeout,
            ["timeout"] = timeout,
        });
}
