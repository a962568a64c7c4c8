using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Revisions;

/// <summary>Endpoints that are deleted while callers call.</summary>
public sealed class DeletedEndpointTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private const int Callers = 8;

    /// <summary>Turns that take some tens of milliseconds.</summary>
    private const long Turns = 20_000;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private RunningServer Server => fixture.Server;

    [Fact]
    public async Task Every_call_gets_a_right_answer_or_a_clear_refusal_and_receipts_sum_up()
    {
        // One slot for all callers: there is a queue at every moment.
        var id = await DeployAsync("deleted", concurrency: 1);
        var answers = new ConcurrentQueue<CounterCall>();
        var callers = Enumerable.Range(0, Callers).Select(_ => Task.Run(() => CallUntilGoneAsync("deleted", answers), Cancelled)).ToArray();
        await Waiting.UntilAsync(() => answers.Count > 5 * Callers, "callers are answered", Cancelled);

        using (var deleted = await Server.Http.DeleteAsync(new Uri("/api/v1/endpoints/deleted", UriKind.Relative), Cancelled))
        {
            Assert.True(deleted.StatusCode is HttpStatusCode.NoContent or HttpStatusCode.Accepted, $"{(int)deleted.StatusCode}");
        }

        await Task.WhenAll(callers);
        var done = answers.Count(a => a.Status == HttpStatusCode.OK);
        TestContext.Current.TestOutputHelper?.WriteLine(string.Join(", ", answers.GroupBy(a => a.Code).Select(g => $"{g.Key} {g.Count()}")));
        Assert.All(answers.Where(a => a.Status == HttpStatusCode.OK), a => Assert.Equal(Turns, a.Total));
        Assert.All(answers.Where(a => a.Status != HttpStatusCode.OK), a =>
        {
            Assert.True((a.Status, a.Code) is (HttpStatusCode.NotFound, "endpoint_not_found") or (HttpStatusCode.Conflict, "conflict"), $"{(int)a.Status} {a.Answer}");
            Assert.Contains("deleted", a.Detail, StringComparison.Ordinal);
        });
        await AssertReceiptsAsync(id, done);
    }

    [Fact]
    public async Task A_run_under_way_is_finished_and_the_name_can_be_used_at_once()
    {
        var id = await DeployAsync("reused", concurrency: 1);
        var running = CounterCall.SendAsync(Server, "reused", 50 * Turns, Cancelled);
        await CounterCall.UntilRunningAsync(Server, "reused", 1, Cancelled);

        var deleting = Server.Http.DeleteAsync(new Uri("/api/v1/endpoints/reused", UriKind.Relative), Cancelled);
        await Waiting.UntilAsync(async () => (await CounterCall.SendAsync(Server, "reused", 1, Cancelled)).Status == HttpStatusCode.NotFound, "the name is free", Cancelled);
        var again = await DeployAsync("reused", concurrency: 1);
        var fresh = await CounterCall.SendAsync(Server, "reused", 3, Cancelled);

        Assert.Equal(50 * Turns, (await running).Total);
        Assert.Equal(3, fresh.Total);
        using var deleted = await deleting;
        Assert.True(deleted.IsSuccessStatusCode, $"{(int)deleted.StatusCode}");
        Assert.NotEqual(id, again);
        await AssertReceiptsAsync(id, 1);
        await AssertReceiptsAsync(again, 1);
    }

    private async Task CallUntilGoneAsync(string endpoint, ConcurrentQueue<CounterCall> answers)
    {
        // Twice: what is gone stays gone.
        for (var refusals = 0; refusals < 2;)
        {
            var call = await CounterCall.SendAsync(Server, endpoint, Turns, Cancelled);
            answers.Enqueue(call);
            refusals += call.Status == HttpStatusCode.OK ? 0 : 1;
        }
    }

    /// <returns>The endpoint's id.</returns>
    private async Task<string> DeployAsync(string endpoint, int concurrency)
    {
        await Server.DeployAsync(endpoint, [("model.onnx", SmallModels.Counter())], Cancelled, new() { ["concurrency"] = concurrency, ["max_instances"] = 1, ["timeout"] = "10m" });
        return (await Server.GetAsync("/api/v1/endpoints/" + endpoint, Cancelled))["id"]!.GetValue<string>();
    }

    private async Task AssertReceiptsAsync(string id, int completed)
    {
        var receipts = (await Server.GetAsync($"/api/v1/invocations?limit=1000&endpoint={id}", Cancelled))["invocations"]!.AsArray();
        var total = (await Server.GetAsync($"/api/v1/usage?endpoint={id}", Cancelled))["total"]!;
        Assert.InRange(receipts.Count, 1, 999);
        Assert.All(receipts, r => Assert.Equal("completed", r!["outcome"]!.GetValue<string>()));
        Assert.Equal(completed, receipts.Count);
        Assert.Equal(receipts.Count, total["invocations"]!.GetValue<long>());
        Assert.Equal(Sum(receipts, "billed_ms"), total["billed_ms"]!.GetValue<long>());
        Assert.Equal(Sum(receipts, "price_pico").ToString(CultureInfo.InvariantCulture), total["price_pico"]!.GetValue<string>());
    }

    private static long Sum(JsonArray receipts, string member) => receipts.Sum(r => r![member]!.GetValue<long>());
}
