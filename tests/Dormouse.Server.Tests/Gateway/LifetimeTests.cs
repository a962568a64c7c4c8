using System.Collections.Immutable;
using System.Net;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;
using Dormouse.Server.Gateway;

namespace Dormouse.Server.Tests.Gateway;

public sealed class LifetimeTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_stopping_server_refuses_new_calls_and_those_that_wait_and_finishes_what_runs()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        var route = host.Add("digits");
        var running = host.InferAsync("digits");
        var run = await host.Driver.NextRunAsync(Cancellation);
        var waiting = host.InferAsync("digits");
        await Conditions.UntilAsync(() => host.Dispatch.Samples(route.Endpoint.Id) is [{ Sample.Queued: 1 }], "one waits");

        var stop = host.StopAsync();
        using var refused = await waiting;
        using var late = await host.InferAsync("digits");
        Assert.False(stop.IsCompleted);
        run.Release();
        using var finished = await running;
        await stop;

        Assert.Equal("server_stopping", await refused.CodeAsync());
        Assert.Equal("server_stopping", await late.CodeAsync());
        Assert.Equal(HttpStatusCode.OK, finished.StatusCode);
        Assert.Empty(host.Driver.Alive);
    }

    [Fact]
    public async Task What_still_runs_at_the_limit_of_a_stop_is_cut_off_and_costs_nothing()
    {
        await using var host = await GatewayHost.StartAsync(new() { ["DORMOUSE_SERVER__SHUTDOWN_TIMEOUT"] = "1s" });
        host.Driver.HoldRuns();
        host.Add("digits");
        var call = host.InferAsync("digits");
        await host.Driver.NextRunAsync(Cancellation);

        await host.StopAsync();

        var receipt = Assert.Single(host.Journal.Receipts);
        Assert.Equal((Outcome.ServerLost, 0), (receipt.Outcome, receipt.PricePico));
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => call);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(60)]
    public async Task An_instance_is_not_stopped_before_its_answer_has_left_it(int idleSeconds)
    {
        await using var host = await GatewayHost.StartAsync();
        var rest = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var answer = new byte[200_000];
        host.Driver.Play = async run =>
        {
            run.Context.Response.ContentLength = answer.Length;
            run.Context.Response.Headers["Dormouse-Run"] = "250";
            await run.Context.Response.Body.WriteAsync(answer.AsMemory(0, 1_000), Cancellation);
            await rest.Task;
            await run.Context.Response.Body.WriteAsync(answer.AsMemory(1_000), Cancellation);
        };
        var route = host.Add("digits", GatewayHost.Spec() with { IdleTimeout = TimeSpan.FromSeconds(idleSeconds) });
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/digits/infer") { Content = new StringContent("{}") };
        using var response = await host.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation);
        Assert.Equal(Outcome.Completed, Assert.Single(host.Journal.Receipts).Outcome);

        var stop = host.Dispatch.StopAsync(route.Endpoint.Id, Cancellation);
        Assert.Single(host.Driver.Alive);
        Assert.False(stop.IsCompleted);
        rest.SetResult();

        Assert.Equal(answer.Length, (await response.Content.ReadAsByteArrayAsync(Cancellation)).Length);
        await stop;
        Assert.Empty(host.Driver.Alive);
    }

    [Fact]
    public async Task A_stop_under_load_ends_with_the_instances_that_it_found()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        var route = host.Add("digits", GatewayHost.Spec() with { MaxInstances = 2 });
        var first = host.InferAsync("digits");
        var run = await host.Driver.NextRunAsync(Cancellation);

        var stop = host.Dispatch.StopAsync(route.Endpoint.Id, Cancellation);
        var second = host.InferAsync("digits");
        var later = await host.Driver.NextRunAsync(Cancellation);
        Assert.NotEqual(run.Instance.Id, later.Instance.Id);
        Assert.False(stop.IsCompleted);
        run.Release();
        await stop;

        Assert.Equal(later.Instance.Id, Assert.Single(host.Driver.Alive));
        later.Release();
        Assert.Equal(HttpStatusCode.OK, (await first).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await second).StatusCode);
    }

    [Fact]
    public async Task An_answer_that_nobody_reads_gives_its_instance_free_after_a_limit()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.Play = async run =>
        {
            run.Context.Response.Headers["Dormouse-Run"] = "250";
            await run.Context.Response.Body.WriteAsync(new byte[10], Cancellation);
            await Task.Delay(Timeout.Infinite, run.Context.RequestAborted);
        };
        var route = host.Add("digits");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/digits/infer") { Content = new StringContent("{}") };
        using var response = await host.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation);
        var stop = host.Dispatch.StopAsync(route.Endpoint.Id, Cancellation);
        Assert.False(stop.IsCompleted);

        host.Time.Advance(RunDeadline.TransferLimit(0));

        await stop;
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => response.Content.ReadAsByteArrayAsync(Cancellation));
    }

    [Fact]
    public async Task New_traffic_drains_the_old_revision_without_losing_a_call()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        var old = host.Add("digits", withoutTraffic: 1);
        var first = host.InferAsync("digits");
        var oldRun = await host.Driver.NextRunAsync(Cancellation);
        var second = host.InferAsync("digits");
        await Conditions.UntilAsync(() => host.Dispatch.Samples(old.Endpoint.Id) is [{ Sample.Queued: 1 }], "one waits");

        var entry = await host.Catalogue.SetTrafficAsync(old.Endpoint.Id, [new TrafficShare(2, 100)], DateTimeOffset.UnixEpoch, Cancellation);
        host.Routes.Put(entry!);
        var now = host.Routes.Find(TenantId.Default, "digits")!;
        host.Dispatch.TrafficChanged(now.Endpoint, now.Revisions, []);
        var third = host.InferAsync("digits");
        var newRun = await host.Driver.NextRunAsync(Cancellation);
        newRun.Release();
        oldRun.Release();
        var waited = await host.Driver.NextRunAsync(Cancellation);
        waited.Release();

        using var a = await first;
        using var b = await second;
        using var c = await third;
        Assert.Equal(HttpStatusCode.OK, a.StatusCode);
        Assert.Equal(HttpStatusCode.OK, b.StatusCode);
        Assert.Equal("cold; cause=rollout; rung=pool", c.Header("Dormouse-Start"));
        Assert.Equal((1, 2, 1), (oldRun.Instance.Id.Revision.Number, newRun.Instance.Id.Revision.Number, waited.Instance.Id.Revision.Number));
        await Conditions.UntilAsync(() => host.Dispatch.Samples(old.Endpoint.Id) is [{ Revision.Number: 2 }], "the old revision is gone");
    }

    [Fact]
    public async Task Instances_that_are_to_be_kept_start_when_the_traffic_comes()
    {
        await using var host = await GatewayHost.StartAsync();
        var route = host.Add("digits", GatewayHost.Spec() with { MinInstances = 1 });

        host.Dispatch.TrafficChanged(route.Endpoint, route.Revisions, []);
        var start = await host.Driver.NextStartAsync(Cancellation);
        await Conditions.UntilAsync(() => host.Driver.Alive.Contains(start.Instance), "it is ready");
        host.Time.Advance(TimeSpan.FromHours(1));
        using var answer = await host.InferAsync("digits");

        Assert.Equal("warm", answer.Header("Dormouse-Start"));
    }

    [Fact]
    public async Task Stopping_an_endpoint_leaves_nothing_and_says_why_in_its_scaling_log()
    {
        await using var host = await GatewayHost.StartAsync();
        var route = host.Add("digits");
        using var answer = await host.InferAsync("digits");

        await host.Dispatch.StopAsync(route.Endpoint.Id, Cancellation);

        Assert.Empty(host.Driver.Alive);
        Assert.Empty(host.Dispatch.Samples(route.Endpoint.Id));
        ImmutableArray<(int, int)> changes = [.. host.Dispatch.Changes(route.Endpoint.Id).Select(c => (c.Change.From, c.Change.To))];
        Assert.Equal((1, 0), changes[0]);
        Assert.Equal((0, 1), changes[^1]);
    }

    [Fact]
    public async Task A_removed_endpoint_is_not_started_again_by_a_call_that_found_it_before()
    {
        await using var host = await GatewayHost.StartAsync();
        var route = host.Add("digits");
        using var before = await host.InferAsync("digits");

        await host.Dispatch.RemoveAsync(route.Endpoint.Id, Cancellation);
        using var after = await host.InferAsync("digits");

        Assert.Equal("endpoint_not_found", await after.CodeAsync());
        Assert.Equal(1, host.Driver.Started);
        Assert.Empty(host.Driver.Alive);
    }

    [Fact]
    public async Task A_receipt_is_found_while_the_invocation_runs_and_after()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        host.Add("digits");
        var reader = host.Service<Server.Gateway.ReceiptReader>();
        var call = host.InferAsync("digits");
        var run = await host.Driver.NextRunAsync(Cancellation);

        var running = await reader.FindAsync(TenantId.Default, host.Journal.Open.Single(), Cancellation);
        host.Time.Advance(TimeSpan.FromMilliseconds(1));
        run.Release();
        using var answer = await call;
        var ended = await reader.FindAsync(TenantId.Default, new InvocationId(Guid.Parse(answer.Header("Dormouse-Invocation-Id")!)), Cancellation);
        var foreign = await reader.FindAsync(new TenantId("acme"), ended!.Opening.Invocation, Cancellation);

        Assert.Null(foreign);
        Assert.Equal((250, 200, 1, 64), (ended.Receipt!.Times.RunMicroseconds, ended.Receipt.CpuMicroseconds, ended.Receipt.BilledMilliseconds, ended.Receipt.MemoryMib));
        Assert.NotNull(running);
        Assert.Null(running.Receipt);
    }
}
