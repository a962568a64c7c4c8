using System.Net;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Tests.Gateway;

public sealed class QueueTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_caller_who_waits_for_a_busy_instance_is_queued()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        var route = host.Add("digits");

        var first = host.InferAsync("digits");
        var running = await host.Driver.NextRunAsync(Cancellation);
        var second = host.InferAsync("digits");
        await WaitAsync(host, route.Endpoint.Id, 1);
        host.Time.Advance(TimeSpan.FromMilliseconds(40));
        running.Release();
        (await host.Driver.NextRunAsync(Cancellation)).Release();
        using var one = await first;
        using var two = await second;

        Assert.Equal("queued", two.Header("Dormouse-Start"));
        Assert.StartsWith("queue;dur=40, start;dur=0, load;dur=0", two.Header("Server-Timing"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_full_queue_refuses_with_429_and_a_time_to_retry()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        var route = host.Add("digits", GatewayHost.Spec() with { QueueLimit = 1 });

        var first = host.InferAsync("digits");
        var running = await host.Driver.NextRunAsync(Cancellation);
        var second = host.InferAsync("digits");
        await WaitAsync(host, route.Endpoint.Id, 1);
        using var third = await host.InferAsync("digits");

        Assert.Equal(HttpStatusCode.TooManyRequests, third.StatusCode);
        Assert.Equal("concurrency_limit_reached", await third.CodeAsync());
        Assert.NotNull(third.Header("Retry-After"));
        running.Release();
        (await host.Driver.NextRunAsync(Cancellation)).Release();
        Assert.Equal(HttpStatusCode.OK, (await first).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await second).StatusCode);
    }

    [Fact]
    public async Task A_caller_who_leaves_frees_the_place_in_the_queue()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        var route = host.Add("digits", GatewayHost.Spec() with { QueueLimit = 1 });

        var first = host.InferAsync("digits");
        var running = await host.Driver.NextRunAsync(Cancellation);
        using var leaving = new CancellationTokenSource();
        var second = host.LeavingInferAsync("digits", leaving.Token);
        await WaitAsync(host, route.Endpoint.Id, 1);
        await leaving.CancelAsync();
        await WaitAsync(host, route.Endpoint.Id, 0);
        var third = host.InferAsync("digits");
        await WaitAsync(host, route.Endpoint.Id, 1);
        running.Release();
        (await host.Driver.NextRunAsync(Cancellation)).Release();

        Assert.Equal(HttpStatusCode.OK, (await first).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await third).StatusCode);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        Assert.Equal(2, host.Journal.Receipts.Count());
    }

    [Fact]
    public async Task A_caller_who_waits_longer_than_the_queue_allows_is_refused()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        var route = host.Add("digits", GatewayHost.Spec() with { QueueTimeout = TimeSpan.FromSeconds(5), Timeout = TimeSpan.FromSeconds(60) });

        var first = host.InferAsync("digits");
        var running = await host.Driver.NextRunAsync(Cancellation);
        var second = host.InferAsync("digits");
        await WaitAsync(host, route.Endpoint.Id, 1);
        host.Time.Advance(TimeSpan.FromSeconds(6));
        using var refused = await second;

        Assert.Equal("queue_timeout", await refused.CodeAsync());
        Assert.Equal("queue;dur=6000", refused.Header("Server-Timing"));
        running.Release();
        Assert.Equal(HttpStatusCode.OK, (await first).StatusCode);
    }

    [Fact]
    public async Task A_full_journal_refuses_and_gives_the_slot_back()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");
        host.Journal.IsFull = true;

        using var refused = await host.InferAsync("digits");
        host.Journal.IsFull = false;
        using var answered = await host.InferAsync("digits");

        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.Equal("ledger_unavailable", await refused.CodeAsync());
        Assert.Equal(HttpStatusCode.OK, answered.StatusCode);
        Assert.Single(host.Journal.Receipts);
    }

    [Fact]
    public async Task A_slow_reader_holds_no_slot()
    {
        await using var host = await GatewayHost.StartAsync();
        var large = new byte[32 << 20];
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 200, "application/octet-stream", run.Body.Length == 1 ? large : [1]);
        host.Add("digits");

        using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/digits/infer") { Content = new ByteArrayContent([0]) };
        using var unread = await host.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation);
        using var next = await host.InferAsync("digits");

        Assert.Equal(HttpStatusCode.OK, next.StatusCode);
        Assert.Equal("warm", next.Header("Dormouse-Start"));
        var body = await unread.Content.ReadAsByteArrayAsync(Cancellation);
        Assert.Equal(large.Length, body.Length);
    }

    [Fact]
    public async Task A_program_that_does_not_measure_its_runs_holds_its_slot_until_its_last_byte()
    {
        await using var host = await GatewayHost.StartAsync();
        var second = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Driver.Play = async run =>
        {
            run.Context.Response.ContentType = "text/plain";
            await run.Context.Response.WriteAsync("one ", Cancellation);
            await run.Context.Response.Body.FlushAsync(Cancellation);
            await second.Task;
            await run.Context.Response.WriteAsync("two", Cancellation);
        };
        var route = host.Add("app", GatewayHost.Program());

        using var request = new HttpRequestMessage(HttpMethod.Get, "/invoke/app/stream");
        using var answer = await host.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation);
        Assert.Equal(1, host.Journal.OpenCount);
        Assert.Equal(1, Assert.Single(host.Dispatch.Samples(route.Endpoint.Id)).Sample.Running);
        Assert.Equal("queue;dur=0, start;dur=0, load;dur=0", answer.Header("Server-Timing"));
        host.Time.Advance(TimeSpan.FromMilliseconds(70));
        second.SetResult();
        var text = await answer.Content.ReadAsStringAsync(Cancellation);

        Assert.Equal("one two", text);
        var receipt = Assert.Single(host.Journal.Receipts);
        Assert.Equal((70_000, 70), (receipt.Times.RunMicroseconds, receipt.BilledMilliseconds));
        Assert.Equal(Outcome.Completed, receipt.Outcome);
    }

    private static Task WaitAsync(GatewayHost host, EndpointId endpoint, int queued) =>
        Conditions.UntilAsync(() => host.Dispatch.Samples(endpoint) is [var only] && only.Sample.Queued == queued, $"{queued} wait");
}
