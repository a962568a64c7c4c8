using System.Net;
using Dormouse.Core.Usage;

namespace Dormouse.Server.Tests.Gateway;

/// <summary>What callers, receipts and statistics say of invocations that shared a run.</summary>
public sealed class SharedRunTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_wait_for_others_is_queue_and_the_run_is_that_of_the_whole_batch()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.Play = AnswerAsync("8;1500;1");
        host.Add("digits", GatewayHost.Spec() with { BatchMax = 8 });
        await host.InferAsync("digits");

        using var answer = await host.InferAsync("digits");

        Assert.Equal("queue;dur=1.5, start;dur=0, load;dur=0, run;dur=0.25, batch;desc=8", answer.Header("Server-Timing"));
        Assert.Null(answer.Header("Dormouse-Batch"));
        await host.Journal.NextReceiptAsync(Cancellation);
        Assert.Equal(new InvocationTimes(1_500, 0, 0, 250), (await host.Journal.NextReceiptAsync(Cancellation)).Times);
    }

    [Fact]
    public async Task Statistics_count_each_run_once_by_its_rows_and_the_config_tells_the_batching()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits", GatewayHost.Spec() with { BatchMax = 4, BatchDelay = TimeSpan.FromMilliseconds(2), Concurrency = 2 });
        foreach (var part in new[] { "3;0;1", "3;0;0", "3;900;0", "1;0;1", "3;0;1" })
        {
            host.Driver.Play = AnswerAsync(part);
            Assert.Equal(HttpStatusCode.OK, (await host.InferAsync("digits")).StatusCode);
        }

        var statistics = (await (await host.Client.GetAsync("/v2/models/digits/stats", Cancellation)).JsonAsync()).GetProperty("model_stats")[0];
        var config = await (await host.Client.GetAsync("/v2/models/digits/config", Cancellation)).JsonAsync();

        Assert.Equal((5, 3), (statistics.GetProperty("inference_count").GetInt32(), statistics.GetProperty("execution_count").GetInt32()));
        Assert.Equal(900_000, statistics.GetProperty("inference_stats").GetProperty("queue").GetProperty("ns").GetInt64());
        Assert.Equal(
            [(1, 1, 250_000), (3, 2, 500_000)],
            statistics.GetProperty("batch_stats").EnumerateArray().Select(size => (
                size.GetProperty("batch_size").GetInt32(), size.GetProperty("compute_infer").GetProperty("count").GetInt32(), size.GetProperty("compute_infer").GetProperty("ns").GetInt32())));
        Assert.Equal(4, config.GetProperty("max_batch_size").GetInt32());
        Assert.Equal(2_000, config.GetProperty("dynamic_batching").GetProperty("max_queue_delay_microseconds").GetInt32());
        Assert.Equal([4], config.GetProperty("input")[0].GetProperty("dims").EnumerateArray().Select(d => d.GetInt32()));
    }

    [Fact]
    public async Task Where_nothing_is_shared_nothing_is_said_of_batches()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");
        await host.InferAsync("digits");

        var statistics = (await (await host.Client.GetAsync("/v2/models/digits/stats", Cancellation)).JsonAsync()).GetProperty("model_stats")[0];

        Assert.Empty(statistics.GetProperty("batch_stats").EnumerateArray());
        Assert.Equal(1, statistics.GetProperty("execution_count").GetInt32());
    }

    private static Func<FakeRun, Task> AnswerAsync(string batch) => run =>
    {
        run.Context.Response.Headers["Dormouse-Batch"] = batch;
        return FakeInstance.AnswerAsync(run.Context, 200, "application/json", "{\"outputs\":[]}"u8.ToArray());
    };
}
