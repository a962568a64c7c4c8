using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Pipelines;
using Dormouse.Protocol;
using Dormouse.Server.Queues;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Pipelines;

/// <summary>Pipelines through the whole server, instances in process.</summary>
public sealed class PipelineTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Steps_run_one_after_the_other_in_one_trace_with_keys_and_receipts_of_their_own()
    {
        await using var host = await GatewayHost.StartAsync();
        var seen = new ConcurrentQueue<(string Body, string Key, string Trace, string Path)>();
        host.Driver.Play = run =>
        {
            var headers = run.Context.Request.Headers;
            var body = Encoding.UTF8.GetString(run.Body);
            seen.Enqueue((body, headers[DormouseHeaders.IdempotencyKey].ToString(), headers.TraceParent.ToString(), run.Context.Request.Path + run.Context.Request.QueryString));
            return FakeInstance.AnswerAsync(run.Context, 200, "text/plain", Encoding.UTF8.GetBytes(body + "!"));
        };
        host.Add("one", GatewayHost.Program());
        host.Add("two", GatewayHost.Program());
        Add(host, "both", """{"steps": {"a": {"endpoint": "one"}, "b": {"endpoint": "two", "after": "a", "path": "/deep?x=1"}}}""");

        using var request = new HttpRequestMessage(HttpMethod.Post, "/invoke/both") { Content = new StringContent("hello", Encoding.UTF8, "text/plain") };
        const string Trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        request.Headers.Add("traceparent", Trace);
        using var answer = await host.Client.SendAsync(request, Cancellation);

        Assert.Equal((HttpStatusCode.OK, "hello!!"), (answer.StatusCode, await answer.Content.ReadAsStringAsync(Cancellation)));
        Assert.Equal("text/plain", answer.Content.Headers.ContentType!.MediaType);
        var id = answer.Header(DormouseHeaders.InvocationId);
        Assert.Equal([("hello", $"{id}/a", Trace, "/"), ("hello!", $"{id}/b", Trace, "/deep?x=1")], seen);
        Assert.Equal(2, host.Journal.Receipts.Select(r => r.Invocation).Distinct().Count());
    }

    [Fact]
    public async Task Without_a_trace_the_run_begins_one_that_all_its_calls_belong_to()
    {
        await using var host = await GatewayHost.StartAsync();
        var traces = new ConcurrentQueue<string>();
        host.Driver.Play = run =>
        {
            traces.Enqueue(run.Context.Request.Headers.TraceParent.ToString());
            return FakeInstance.AnswerAsync(run.Context, 200, "text/plain", run.Body);
        };
        host.Add("one", GatewayHost.Program());
        Add(host, "inner", """{"steps": {"i": {"endpoint": "one"}}}""");
        Add(host, "both", """{"steps": {"a": {"endpoint": "one"}, "b": {"endpoint": "inner", "after": "a"}}}""");

        using var answer = await PostAsync(host, "both", "1");

        var run = Guid.Parse(answer.Header(DormouseHeaders.InvocationId)!).ToString("N");
        Assert.Equal(2, traces.Count);
        Assert.All(traces, t => Assert.StartsWith($"00-{run}-", t, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Branches_run_at_the_same_time_and_meet_again()
    {
        await using var host = await GatewayHost.StartAsync();
        var (left, right) = (new TaskCompletionSource(), new TaskCompletionSource());
        host.Driver.Play = async run =>
        {
            var body = Encoding.UTF8.GetString(run.Body);
            // Each goes on when the other is there.
            if (body is "\"left\"" or "\"right\"")
            {
                (body == "\"left\"" ? left : right).TrySetResult();
                await Task.WhenAll(left.Task, right.Task).WaitAsync(Cancellation);
            }

            await FakeInstance.AnswerAsync(run.Context, 200, "application/json", run.Body);
        };
        host.Add("echo", GatewayHost.Program() with { Concurrency = 4 });
        Add(host, "fan", """
            {"steps": {
              "l": {"endpoint": "echo", "input": "left"}, "r": {"endpoint": "echo", "input": "right"},
              "join": {"endpoint": "echo", "after": ["l", "r"]},
              "each": {"endpoint": "echo", "map": "$.input.list", "input": {"item": "$.item"}},
              "never": {"endpoint": "echo", "when": {"input": {"list": ["none"]}}}},
             "output": {"join": "$.steps.join.output", "each": "$.steps.each.output", "never": "$.steps.never.state"}}
            """);

        using var answer = await PostAsync(host, "fan", """{"list": [1, 2, 3]}""");

        Assert.Equal(
            """{"join":{"l":"left","r":"right"},"each":[{"item":1},{"item":2},{"item":3}],"never":"skipped"}""", await answer.Content.ReadAsStringAsync(Cancellation));
    }

    [Fact]
    public async Task A_failing_step_is_tried_again_and_then_fails_the_pipeline_with_its_name()
    {
        await using var host = await GatewayHost.StartAsync();
        var runs = 0;
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, Interlocked.Increment(ref runs) == 2 ? 200 : 503, "text/plain", "busy today"u8.ToArray());
        host.Add("app", GatewayHost.Program());
        Add(host, "twice", """{"steps": {"a": {"endpoint": "app", "retry": {"attempts": 2, "delay": "0"}}}}""");

        using var good = await PostAsync(host, "twice", "1");
        using var bad = await PostAsync(host, "twice", "1");

        Assert.Equal(HttpStatusCode.OK, good.StatusCode);
        Assert.Equal(HttpStatusCode.BadGateway, bad.StatusCode);
        var problem = await bad.JsonAsync();
        Assert.Equal(
            ("step_failed", "Step 'a' (endpoint 'app') failed: it answered 503: busy today (attempt 2 of 2)."), (problem.GetProperty("code").GetString(), problem.GetProperty("detail").GetString()));
        Assert.Equal((4, bad.Header(DormouseHeaders.InvocationId)), (runs, problem.GetProperty("invocation_id").GetString()));
    }

    [Fact]
    public async Task What_a_step_refuses_is_not_tried_again()
    {
        await using var host = await GatewayHost.StartAsync();
        var runs = 0;
        host.Driver.Play = run =>
        {
            Interlocked.Increment(ref runs);
            return FakeInstance.AnswerAsync(run.Context, 400, "text/plain", "no such thing"u8.ToArray());
        };
        host.Add("app", GatewayHost.Program());
        Add(host, "once", """{"steps": {"a": {"endpoint": "app", "retry": {"attempts": 5}}}}""");

        using var answer = await PostAsync(host, "once", "1");

        Assert.Equal((HttpStatusCode.UnprocessableEntity, 1), (answer.StatusCode, runs));
        Assert.Equal("step_rejected", (await answer.JsonAsync()).GetProperty("code").GetString());
    }

    [Fact]
    public async Task A_step_that_takes_too_long_fails_and_a_run_that_takes_too_long_ends()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        host.Add("app", GatewayHost.Program());
        Add(host, "slow-step", """{"steps": {"a": {"endpoint": "app", "timeout": "2s"}}}""");
        Add(host, "slow", """{"steps": {"a": {"endpoint": "app", "on_error": "continue"}}}""");

        var step = PostAsync(host, "slow-step", "1");
        var first = await host.Driver.NextRunAsync(Cancellation);
        host.Time.Advance(TimeSpan.FromSeconds(2));
        using var late = await step;
        first.Release();
        var whole = PostAsync(host, "slow", "1");
        var second = await host.Driver.NextRunAsync(Cancellation);
        host.Time.Advance(TimeSpan.FromSeconds(60));
        using var ended = await whole;
        second.Release();

        Assert.Equal("Step 'a' (endpoint 'app') failed: it took longer than its timeout of 2s.", (await late.JsonAsync()).GetProperty("detail").GetString());
        Assert.Equal((HttpStatusCode.GatewayTimeout, "deadline_exceeded"), (ended.StatusCode, (await ended.JsonAsync()).GetProperty("code").GetString()));
    }

    [Fact]
    public async Task Pipelines_call_pipelines_until_they_are_too_deep()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 200, "text/plain", Encoding.UTF8.GetBytes(run.Context.Request.Headers[DormouseHeaders.IdempotencyKey].ToString()));
        host.Add("app", GatewayHost.Program());
        Add(host, "inner", """{"steps": {"a": {"endpoint": "app"}}}""");
        Add(host, "outer", """{"steps": {"o": {"endpoint": "inner", "map": "$.input"}}}""");
        // No deploy would take it: a circle that came about otherwise.
        Add(host, "circle", """{"steps": {"c": {"endpoint": "circle"}}}""");

        using var answer = await PostAsync(host, "outer", "[1, 2]");
        using var circle = await PostAsync(host, "circle", "1");

        var id = answer.Header(DormouseHeaders.InvocationId);
        Assert.Equal($"""["{id}/o[0]/a","{id}/o[1]/a"]""", await answer.Content.ReadAsStringAsync(Cancellation));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, circle.StatusCode);
        Assert.Contains("within 4 others", (await circle.JsonAsync()).GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_so_many_run_at_once_and_only_at_their_own_address()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        host.Add("app", GatewayHost.Program());
        Add(host, "single", """{"steps": {"a": {"endpoint": "app"}}}""", concurrency: 1);

        var first = PostAsync(host, "single", "1");
        var run = await host.Driver.NextRunAsync(Cancellation);
        using var second = await PostAsync(host, "single", "2");
        using var below = await PostAsync(host, "single/x", "2");
        using var tensors = await host.InferAsync("single");
        run.Release();
        using var answered = await first;

        Assert.Equal((HttpStatusCode.TooManyRequests, "1"), (second.StatusCode, second.Header("Retry-After")));
        Assert.Equal((HttpStatusCode.NotFound, HttpStatusCode.NotImplemented, HttpStatusCode.OK), (below.StatusCode, tensors.StatusCode, answered.StatusCode));
    }

    [Fact]
    public async Task It_can_be_queued_like_every_other_endpoint()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 200, "application/json", run.Body);
        host.Service<QueueLoop>().Start();
        host.Add("app", GatewayHost.Program());
        Add(host, "queued", """{"steps": {"a": {"endpoint": "app", "input": {"got": "$.input"}}}}""");

        using var request = new HttpRequestMessage(HttpMethod.Post, "/invoke/queued") { Content = new StringContent("5", Encoding.UTF8, "application/json") };
        request.Headers.Add(DormouseHeaders.Mode, "async");
        using var accepted = await host.Client.SendAsync(request, Cancellation);
        using var result = await ResultAsync(host, accepted);

        Assert.Equal((HttpStatusCode.Accepted, """{"got":5}"""), (accepted.StatusCode, await result.Content.ReadAsStringAsync(Cancellation)));
    }

    /// <summary>However many callers there are, their bodies do not fill the server's memory.</summary>
    [Fact]
    public async Task Large_bodies_are_read_a_few_at_a_time_and_small_ones_beside_them()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 200, "application/json", Encoding.UTF8.GetBytes($"{run.Body.Length}"));
        host.Add("app", GatewayHost.Program() with { Concurrency = 2 });
        Add(host, "sized", """{"steps": {"a": {"endpoint": "app"}}}""");
        var bodies = host.Service<WholeBodies>();
        var places = new List<IDisposable>();
        for (var i = 0; i < WholeBodies.LargeAtOnceMax; i++)
        {
            places.Add(await bodies.EnterAsync(Cancellation));
        }

        var large = PostAsync(host, "sized", $"\"{new string('x', 1 << 21)}\"");
        for (var i = 0; i < 3; i++)
        {
            using var small = await PostAsync(host, "sized", "\"x\"");
            Assert.Equal("3", await small.Content.ReadAsStringAsync(Cancellation));
        }

        Assert.False(large.IsCompleted);
        places.ForEach(p => p.Dispose());
        using var answered = await large;
        Assert.Equal($"{(1 << 21) + 2}", await answered.Content.ReadAsStringAsync(Cancellation));
    }

    private static Task<HttpResponseMessage> ResultAsync(GatewayHost host, HttpResponseMessage accepted) => host.Client.GetAsync(accepted.Header("Location") + "/result?wait=60s", Cancellation);

    private static void Add(GatewayHost host, string name, string definition, int concurrency = 64) =>
        host.Add(name, new RevisionSpec { Runtime = RuntimeKind.Pipeline.Name, Pipeline = PipelineDefinition.Stored(definition), Concurrency = concurrency }, model: null);

    private static Task<HttpResponseMessage> PostAsync(GatewayHost host, string name, string body) =>
        host.Client.PostAsync("/invoke/" + name, new StringContent(body, Encoding.UTF8, "application/json"), Cancellation);
}
