using System.Net;
using System.Text;
using System.Text.Json;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Protocol;
using Dormouse.Server.Queues;
using Dormouse.Server.Tests.Gateway;
using Dormouse.Storage;

namespace Dormouse.Server.Tests.Queues;

/// <summary>Asynchronous invocations through the whole server, instances in process.</summary>
public sealed class AsyncInvocationTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_is_answered_202_when_it_is_stored_and_its_answer_is_kept_with_status_and_headers()
    {
        await using var host = await StartAsync();
        host.Driver.Play = async run =>
        {
            run.Context.Response.Headers["X-Own"] = "kept";
            await FakeInstance.AnswerAsync(run.Context, 201, "text/plain", Encoding.UTF8.GetBytes(
                $"{run.Context.Request.Method} {run.Context.Request.Path}{run.Context.Request.QueryString} {Encoding.UTF8.GetString(run.Body)} {run.Context.Request.Headers["X-Mine"]} {run.Context.Request.Headers[DormouseHeaders.Attempt]} {run.Context.Request.Headers.Authorization}"));
        };
        host.Add("app", GatewayHost.Program());

        using var accepted = await SendAsync(host, "/invoke/app/a%20b/c?d=e", "hello", ("X-Mine", "mine"));
        using var result = await ResultAsync(host, accepted);

        Assert.Equal(HttpStatusCode.Accepted, accepted.StatusCode);
        Assert.Equal($"/api/v1/invocations/{accepted.Header(DormouseHeaders.InvocationId)}", accepted.Header("Location"));
        Assert.Equal("queued", (await accepted.JsonAsync()).GetProperty("queue").GetProperty("state").GetString());
        Assert.Equal(HttpStatusCode.Created, result.StatusCode);
        Assert.Equal("POST /a%20b/c?d=e hello mine 1 ", await result.Content.ReadAsStringAsync(Cancellation));
        Assert.Equal("kept", result.Header("X-Own"));
        Assert.StartsWith("cold; cause=first", result.Header(DormouseHeaders.Start), StringComparison.Ordinal);
        Assert.Null(result.Header(DormouseHeaders.RunMicroseconds));
        var status = await StatusAsync(host, accepted);
        Assert.Equal(("completed", "succeeded"), (status.GetProperty("outcome").GetString(), status.GetProperty("queue").GetProperty("state").GetString()));
        Assert.Equal(Assert.Single(host.Journal.Receipts), Assert.Single(host.Queue.Receipts));
    }

    [Fact]
    public async Task An_inference_runs_on_the_model_route_and_a_refused_one_is_not_tried_again()
    {
        await using var host = await StartAsync();
        host.Driver.Play = run => FakeInstance.AnswerAsync(
            run.Context, 400, "application/json", """{"code":"input_invalid","detail":"no such input","status":400}"""u8.ToArray());
        host.Add("digits");

        using var accepted = await SendAsync(host, "/v2/models/digits/infer", "{}");
        using var result = await ResultAsync(host, accepted);

        Assert.Equal(HttpStatusCode.BadRequest, result.StatusCode);
        var problem = await result.JsonAsync();
        Assert.Equal(("input_invalid", accepted.Header(DormouseHeaders.InvocationId)), (problem.GetProperty("code").GetString(), problem.GetProperty("invocation_id").GetString()));
        var queue = (await StatusAsync(host, accepted)).GetProperty("queue");
        Assert.Equal(("failed", 1), (queue.GetProperty("state").GetString(), queue.GetProperty("attempts").GetInt32()));
        Assert.Single(host.Journal.Receipts);
    }

    [Fact]
    public async Task A_5xx_is_tried_again_with_pauses_then_it_is_a_dead_letter_that_can_be_redriven()
    {
        await using var host = await StartAsync();
        var runs = 0;
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, Interlocked.Increment(ref runs) <= 3 ? 503 : 200, "text/plain", "answer"u8.ToArray(), runMicroseconds: null);
        host.Add("app", GatewayHost.Program());

        using var accepted = await SendAsync(host, "/invoke/app", "x");
        var dead = await EndAsync(host, accepted);
        using var last = await host.Client.GetAsync(accepted.Header("Location") + "/result", Cancellation);
        var listed = await GetAsync(host, "/api/v1/queue?state=dead&endpoint=" + host.Routes.Find(TenantId.Default, "app")!.Endpoint.Id);
        using var redriven = await host.Client.PostAsync("/api/v1/queue/redrive", new StringContent("{}"), Cancellation);
        var succeeded = await EndAsync(host, accepted);

        Assert.Equal(("dead", 3), (dead.GetProperty("state").GetString(), dead.GetProperty("attempts").GetInt32()));
        Assert.Equal("the instance answered 503 (attempt 3 of 3)", dead.GetProperty("reason").GetString());
        Assert.Equal(HttpStatusCode.ServiceUnavailable, last.StatusCode);
        Assert.Equal(accepted.Header(DormouseHeaders.InvocationId), Assert.Single(listed.GetProperty("invocations").EnumerateArray()).GetProperty("id").GetString());
        Assert.Equal(1, (await redriven.JsonAsync()).GetProperty("redriven").GetInt32());
        Assert.Equal(("succeeded", 1), (succeeded.GetProperty("state").GetString(), succeeded.GetProperty("attempts").GetInt32()));
        Assert.Equal(4, host.Queue.Receipts.Count);
    }

    [Fact]
    public async Task A_live_caller_goes_before_asynchronous_ones_that_came_earlier()
    {
        await using var host = await StartAsync();
        host.Driver.HoldRuns();
        host.Add("digits");

        using var first = await SendAsync(host, "/v2/models/digits/infer", "first");
        var running = await host.Driver.NextRunAsync(Cancellation);
        using var second = await SendAsync(host, "/v2/models/digits/infer", "second");
        await QueuedAsync(host, "digits", 1);
        var live = host.InferAsync("digits", "live");
        await QueuedAsync(host, "digits", 2);
        running.Release();
        var next = await host.Driver.NextRunAsync(Cancellation);

        Assert.Equal("live", Encoding.UTF8.GetString(next.Body));
        next.Release();
        (await host.Driver.NextRunAsync(Cancellation)).Release();
        Assert.Equal(HttpStatusCode.OK, (await live).StatusCode);
        Assert.Equal("succeeded", (await EndAsync(host, second)).GetProperty("state").GetString());
    }

    [Fact]
    public async Task It_can_be_cancelled_while_it_waits_and_while_it_runs()
    {
        await using var host = await StartAsync();
        host.Driver.HoldRuns();
        host.Add("digits");

        using var first = await SendAsync(host, "/v2/models/digits/infer", "first");
        var running = await host.Driver.NextRunAsync(Cancellation);
        using var second = await SendAsync(host, "/v2/models/digits/infer", "second");
        await QueuedAsync(host, "digits", 1);
        using var cancelledSecond = await host.Client.PostAsync(second.Header("Location") + "/cancel", null, Cancellation);
        using var cancelledFirst = await host.Client.PostAsync(first.Header("Location") + "/cancel", null, Cancellation);
        running.Release();
        await Conditions.UntilAsync(() => host.Queue.Receipts.Count == 1, "the run that was under way has its receipt");
        using var result = await host.Client.GetAsync(first.Header("Location") + "/result", Cancellation);
        using var again = await host.Client.PostAsync(first.Header("Location") + "/cancel", null, Cancellation);

        Assert.Equal(["cancelled", "cancelled"], [State(await cancelledFirst.JsonAsync()), State(await cancelledSecond.JsonAsync())]);
        Assert.Equal("result_missing", await result.CodeAsync());
        Assert.Equal(HttpStatusCode.OK, again.StatusCode);
        Assert.Single(host.Journal.Receipts);
    }

    [Fact]
    public async Task The_same_idempotency_key_returns_the_first_invocation_and_refuses_another_request()
    {
        await using var host = await StartAsync();
        host.Add("digits");

        using var first = await SendAsync(host, "/v2/models/digits/infer", "one", ("Idempotency-Key", "order 1"));
        using var same = await SendAsync(host, "/v2/models/digits/infer", "one", ("Idempotency-Key", "order 1"));
        using var other = await SendAsync(host, "/v2/models/digits/infer", "two", ("Idempotency-Key", "order 1"));
        await EndAsync(host, first);
        host.Time.Advance(TimeSpan.FromHours(24));
        using var later = await SendAsync(host, "/v2/models/digits/infer", "two", ("Idempotency-Key", "order 1"));

        Assert.Equal(first.Header(DormouseHeaders.InvocationId), same.Header(DormouseHeaders.InvocationId));
        Assert.Equal("true", same.Header(DormouseHeaders.Replayed));
        Assert.Equal((HttpStatusCode.UnprocessableEntity, "idempotency_key_reused"), (other.StatusCode, await other.CodeAsync()));
        Assert.NotEqual(first.Header(DormouseHeaders.InvocationId), later.Header(DormouseHeaders.InvocationId));
    }

    [Fact]
    public async Task A_full_queue_refuses_with_429_and_a_store_that_is_away_with_503_until_it_is_back()
    {
        await using var host = await StartAsync(new() { ["DORMOUSE_QUEUES__LIMIT"] = "1" });
        host.Driver.HoldRuns();
        host.Add("digits");

        using var first = await SendAsync(host, "/v2/models/digits/infer", "1");
        var run = await host.Driver.NextRunAsync(Cancellation);
        using var second = await SendAsync(host, "/v2/models/digits/infer", "2");
        await QueuedAsync(host, "digits", 1);
        using var third = await SendAsync(host, "/v2/models/digits/infer", "3");
        using var full = await SendAsync(host, "/v2/models/digits/infer", "4");
        host.Queue.Fault = new StorageFullException("The disk is full.", new IOException());
        using var away = await SendAsync(host, "/v2/models/digits/infer", "5");
        run.Release();
        (await host.Driver.NextRunAsync(Cancellation)).Release();
        await Conditions.UntilAsync(() => host.Journal.Receipts.Count() == 2, "two runs ended while the store was away");
        var before = await StatusAsync(host, first);
        host.Queue.Fault = null;
        // The third runs when the outcome of one of the others is stored, which time must go on for.
        var next = host.Driver.NextRunAsync(Cancellation).AsTask();
        await AdvanceAsync(host, () => Task.FromResult(next.IsCompleted));
        (await next).Release();
        var ended = await EndAsync(host, first);

        Assert.Equal("running", State(before));
        Assert.Equal((HttpStatusCode.TooManyRequests, "queue_full"), (full.StatusCode, await full.CodeAsync()));
        Assert.NotNull(full.Header("Retry-After"));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "queue_unavailable"), (away.StatusCode, await away.CodeAsync()));
        Assert.Equal(("succeeded", 1), (ended.GetProperty("state").GetString(), ended.GetProperty("attempts").GetInt32()));
        Assert.Equal("succeeded", (await EndAsync(host, second)).GetProperty("state").GetString());
        Assert.Equal("succeeded", (await EndAsync(host, third)).GetProperty("state").GetString());
        Assert.Contains("store does not answer", Assert.Single(host.Errors.Lines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_delayed_one_waits_and_one_whose_time_to_live_passes_is_not_run()
    {
        await using var host = await StartAsync();
        host.Add("digits");

        using var delayed = await SendAsync(host, "/v2/models/digits/infer", "1", (DormouseHeaders.Delay, "1h"));
        using var short_ = await SendAsync(host, "/v2/models/digits/infer", "2", (DormouseHeaders.Delay, "1m"), (DormouseHeaders.TimeToLive, "61s"));
        var before = await StatusAsync(host, delayed);
        host.Time.Advance(TimeSpan.FromMinutes(2));
        var expired = await EndAsync(host, short_);
        host.Time.Advance(TimeSpan.FromHours(1));
        var ended = await EndAsync(host, delayed);
        using var wrong = await SendAsync(host, "/v2/models/digits/infer", "3", (DormouseHeaders.Delay, "25h"));
        using var late = await SendAsync(host, "/v2/models/digits/infer", "3", (DormouseHeaders.Delay, "1m"), (DormouseHeaders.Deadline, "30s"));
        using var notReady = await SendAsync(host, "/v2/models/digits/infer", "4", (DormouseHeaders.Delay, "1h"));
        using var result = await host.Client.GetAsync(notReady.Header("Location") + "/result?wait=0s", Cancellation);

        Assert.Equal(("queued", 0), (State(before), before.GetProperty("queue").GetProperty("attempts").GetInt32()));
        Assert.Equal(("expired", 0), (expired.GetProperty("state").GetString(), expired.GetProperty("attempts").GetInt32()));
        Assert.Equal("succeeded", ended.GetProperty("state").GetString());
        Assert.Equal("request_invalid", await wrong.CodeAsync());
        Assert.Equal("deadline_unreachable", await late.CodeAsync());
        Assert.Equal((HttpStatusCode.Conflict, "result_not_ready"), (result.StatusCode, await result.CodeAsync()));
    }

    [Fact]
    public async Task Invocations_of_one_group_run_one_after_the_other_in_their_order()
    {
        await using var host = await StartAsync();
        host.Driver.HoldRuns();
        host.Add("digits", GatewayHost.Spec() with { Concurrency = 4 });
        var sent = new List<HttpResponseMessage>();
        foreach (var body in (string[])["1", "2", "3"])
        {
            sent.Add(await SendAsync(host, "/v2/models/digits/infer", body, (DormouseHeaders.Group, "cart 7")));
        }

        var seen = new List<string>();
        for (var i = 0; i < sent.Count; i++)
        {
            var run = await host.Driver.NextRunAsync(Cancellation);
            Assert.Equal(1, host.Journal.OpenCount);
            seen.Add(Encoding.UTF8.GetString(run.Body));
            run.Release();
            await EndAsync(host, sent[i]);
        }

        Assert.Equal(["1", "2", "3"], seen);
        sent.ForEach(s => s.Dispose());
    }

    [Fact]
    public async Task What_an_earlier_server_had_taken_runs_again_at_the_start()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("digits");
        using var accepted = await SendAsync(host, "/v2/models/digits/infer", "1");
        var id = new InvocationId(Guid.Parse(accepted.Header(DormouseHeaders.InvocationId)!));
        var endpoint = host.Routes.Find(TenantId.Default, "digits")!.Endpoint.Id;
        var now = host.Time.GetUtcNow();
        var lost = Assert.Single((await host.Queue.LeaseAsync(Guid.NewGuid(), [new LeaseWish(endpoint, 1)], now, now.AddHours(1), Cancellation)).Items);

        host.Service<QueueLoop>().Start();
        var ended = await EndAsync(host, accepted);

        Assert.Equal(id, lost.Item.Id);
        Assert.Equal(("succeeded", 2), (ended.GetProperty("state").GetString(), ended.GetProperty("attempts").GetInt32()));
    }

    [Fact]
    public async Task A_large_body_arrives_whole_one_over_the_limit_is_413_and_a_public_endpoint_needs_a_key_all_the_same()
    {
        await using var host = await StartAsync(new() { ["DORMOUSE_QUEUES__BODY_LIMIT"] = "3MiB" });
        var length = 0;
        host.Driver.Play = run =>
        {
            length = run.Body.Length;
            return FakeInstance.AnswerAsync(run.Context, 200, "application/octet-stream", new byte[4 << 20]);
        };
        host.Add("app", GatewayHost.Program() with { MemoryMib = 64 }, isPublic: true);

        using var large = await SendAsync(host, "/invoke/app", new string('x', 2_500_000));
        var ended = await EndAsync(host, large);
        using var tooLarge = await SendAsync(host, "/invoke/app", new string('x', (3 << 20) + 1));
        using var stranger = new HttpClient { BaseAddress = host.Http };
        using var request = Request("/invoke/app", "x");
        using var refused = await stranger.SendAsync(request, Cancellation);

        Assert.Equal(2_500_000, length);
        Assert.Equal("dead", ended.GetProperty("state").GetString());
        Assert.StartsWith("answer_too_large: ", ended.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Equal((HttpStatusCode.RequestEntityTooLarge, "body_too_large"), (tooLarge.StatusCode, await tooLarge.CodeAsync()));
        Assert.Equal("key_missing", await refused.CodeAsync());
    }

    [Fact]
    public async Task The_waiting_invocations_of_a_deleted_endpoint_are_cancelled()
    {
        await using var host = await StartAsync();
        var route = host.Add("digits");
        using var accepted = await SendAsync(host, "/v2/models/digits/infer", "1", (DormouseHeaders.Delay, "1h"));

        host.Routes.Remove(route.Endpoint);
        var ended = await EndAsync(host, accepted);

        Assert.Equal(("cancelled", "its endpoint was deleted"), (ended.GetProperty("state").GetString(), ended.GetProperty("reason").GetString()));
    }

    private static async Task<GatewayHost> StartAsync(Dictionary<string, string>? environment = null)
    {
        var host = await GatewayHost.StartAsync(environment);
        host.Service<QueueLoop>().Start();
        return host;
    }

    private static HttpRequestMessage Request(string address, string body, params ReadOnlySpan<(string Name, string Value)> headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, address) { Content = new StringContent(body, Encoding.UTF8, "text/plain") };
        request.Headers.Add(DormouseHeaders.Mode, "async");
        foreach (var (name, value) in headers)
        {
            request.Headers.Add(name, value);
        }

        return request;
    }

    private static async Task<HttpResponseMessage> SendAsync(GatewayHost host, string address, string body, params (string Name, string Value)[] headers)
    {
        using var request = Request(address, body, headers);
        return await host.Client.SendAsync(request, Cancellation);
    }

    private static async Task<JsonElement> GetAsync(GatewayHost host, string address)
    {
        using var response = await host.Client.GetAsync(address, Cancellation);
        return await response.JsonAsync();
    }

    private static Task<JsonElement> StatusAsync(GatewayHost host, HttpResponseMessage accepted) => GetAsync(host, accepted.Header("Location")!);

    private static string? State(JsonElement status) => status.GetProperty("queue").GetProperty("state").GetString();

    /// <summary>Lets time go on until the invocation has ended: its pauses are drawn.</summary>
    private static async Task<JsonElement> EndAsync(GatewayHost host, HttpResponseMessage accepted)
    {
        var status = default(JsonElement);
        await AdvanceAsync(host, async () => State(status = await StatusAsync(host, accepted)) is not ("queued" or "running"));
        return status.GetProperty("queue");
    }

    /// <summary>Lets time go on, while nothing runs or waits for a slot, until it is so.</summary>
    private static async Task AdvanceAsync(GatewayHost host, Func<Task<bool>> isSo)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(Conditions.Patience);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(2));
        while (!await isSo())
        {
            Assert.False(limit.IsCancellationRequested, $"It did not come about within {Conditions.Patience.TotalSeconds} s.");
            if (IsQuiet(host))
            {
                host.Time.Advance(TimeSpan.FromSeconds(1));
            }

            await tick.WaitForNextTickAsync(Cancellation);
        }
    }

    private static bool IsQuiet(GatewayHost host) =>
        host.Journal.OpenCount == 0 && host.Routes.Endpoints().All(e => host.Dispatch.Samples(e.Id).All(s => s.Sample is { Queued: 0, Running: 0 }));

    private static Task QueuedAsync(GatewayHost host, string name, int count) => Conditions.UntilAsync(
        () => host.Dispatch.Samples(host.Routes.Find(TenantId.Default, name)!.Endpoint.Id) is [var only] && only.Sample.Queued == count, $"{count} wait for a slot");

    /// <summary>Waits without time going on.</summary>
    private static async Task<HttpResponseMessage> ResultAsync(GatewayHost host, HttpResponseMessage accepted) =>
        await host.Client.GetAsync(accepted.Header("Location") + "/result?wait=60s", Cancellation);
}
