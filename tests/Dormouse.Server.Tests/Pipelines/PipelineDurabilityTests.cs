using System.Collections.Concurrent;
using System.Text;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Pipelines;
using Dormouse.Core.Queues;
using Dormouse.Protocol;
using Dormouse.Server.Gateway;
using Dormouse.Server.Queues;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Pipelines;

/// <summary>Queued runs that are made again: after a failure, or by a server that goes on where another was lost.</summary>
public sealed class PipelineDurabilityTests
{
    private static readonly InvocationId Run = new(Guid.Parse("0198c1a2-0000-7000-8000-000000000001"));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_run_that_is_made_again_makes_only_the_calls_that_had_not_ended()
    {
        await using var host = await GatewayHost.StartAsync();
        var keys = new ConcurrentQueue<string>();
        var broken = new ConcurrentQueue<string>();
        var isBroken = true;
        host.Driver.Play = run =>
        {
            var key = run.Context.Request.Headers[DormouseHeaders.IdempotencyKey].ToString();
            keys.Enqueue(key[(Run.ToString().Length + 1)..]);
            if (key.EndsWith("/m[1]", StringComparison.Ordinal))
            {
                broken.Enqueue(run.Context.Request.Headers[DormouseHeaders.InvocationId].ToString());
            }

            return FakeInstance.AnswerAsync(run.Context, isBroken && key.EndsWith("/m[1]", StringComparison.Ordinal) ? 503 : 200, "application/json", run.Body);
        };
        host.Add("app", GatewayHost.Program());
        Add(host, "inner", """{"steps": {"a": {"endpoint": "app"}, "m": {"endpoint": "app", "after": "a", "map": "$.input", "at_once": 1}}}""");
        Add(host, "outer", """{"steps": {"first": {"endpoint": "app"}, "deep": {"endpoint": "inner", "after": "first"}, "last": {"endpoint": "app", "after": "deep"}}}""");

        var failed = await RunAsync(host, "outer", 1);
        isBroken = false;
        var done = await RunAsync(host, "outer", 2);

        var why = Assert.IsType<AttemptResult.Unanswered>(failed.Result);
        Assert.Contains("Step 'deep' (endpoint 'inner') failed: step_failed: Step 'm[1]' (endpoint 'app') failed: it answered 503", why.Reason, StringComparison.Ordinal);
        Assert.True(why is { IsRetryable: true, HasBegun: true });
        Assert.Equal("[1,2]", Encoding.UTF8.GetString(Assert.IsType<AttemptResult.Answered>(done.Result).Answer.Body.Span));
        Assert.Equal(["first", "deep/a", "deep/m[0]", "deep/m[1]", "deep/m[1]", "last"], keys);
        var (_, parts) = (await host.Service<IPipelineStore>().FindAsync(TenantId.Default, Run, Cancellation))!.Value;
        Assert.Equal(["first", "deep/a", "deep/m[0]", "deep/m[1]", "deep", "last"], parts.Select(p => p.Part.Key));
        Assert.All(parts, p => Assert.Equal((200, null), (p.Part.Status, p.Part.Detail)));
        // The call that was made twice has one id.
        Assert.Equal([parts[3].Part.Invocation.ToString(), parts[3].Part.Invocation.ToString()], broken);
    }

    [Fact]
    public async Task What_failed_and_was_passed_over_stays_so()
    {
        await using var host = await GatewayHost.StartAsync();
        var calls = 0;
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, Interlocked.Increment(ref calls) <= 2 ? 500 : 200, "application/json", run.Body);
        host.Add("app", GatewayHost.Program());
        Add(host, "pass", """{"steps": {"a": {"endpoint": "app", "on_error": "continue"}, "b": {"endpoint": "app", "after": "a"}}, "output": "$.steps.a.state"}""");

        await RunAsync(host, "pass", 1);
        var done = await RunAsync(host, "pass", 2);

        Assert.Equal((3, "\"failed\""), (calls, Encoding.UTF8.GetString(Assert.IsType<AttemptResult.Answered>(done.Result).Answer.Body.Span)));
    }

    [Fact]
    public async Task A_server_that_stops_in_the_middle_gives_the_run_back_without_an_attempt()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Driver.HoldRuns();
        host.Add("app", GatewayHost.Program());
        Add(host, "two", """{"steps": {"a": {"endpoint": "app", "on_error": "continue"}, "b": {"endpoint": "app", "after": "a", "on_error": "continue"}}}""");

        var running = RunAsync(host, "two", 1);
        var a = await host.Driver.NextRunAsync(Cancellation);
        host.Service<InvocationRunner>().BeginShutdown();
        a.Release();
        var ended = await running;

        var given = Assert.IsType<AttemptResult.Unanswered>(ended.Result);
        Assert.True(given is { IsRetryable: true, HasBegun: false }, given.Reason);
        var memory = await host.Service<IPipelineStore>().BeginAsync(new PipelineRecord(Run, TenantId.Default, new RevisionId(new EndpointId(Guid.Empty), 1), host.Time.GetUtcNow(), 0, null), Cancellation);
        Assert.Equal(["a"], memory.Outcomes.Keys);
    }

    private static Task<AttemptEnding> RunAsync(GatewayHost host, string name, int attempt)
    {
        var now = host.Time.GetUtcNow();
        var item = new QueueItem
        {
            Id = Run,
            Tenant = TenantId.Default,
            Endpoint = host.Routes.Find(TenantId.Default, name)!.Endpoint.Id,
            Request = new QueuedRequest("POST", "/", null, [KeyValuePair.Create("Content-Type", "application/json")]),
            AcceptedAt = now,
            NotBefore = now,
            ExpiresAt = now.AddDays(1),
            AttemptsMax = 3,
            Attempts = attempt,
            State = QueueState.Leased,
            Fence = attempt,
        };
        return host.Service<QueueAttempt>().RunAsync(new LeasedItem(item, "[1,2]"u8.ToArray()), Cancellation);
    }

    private static void Add(GatewayHost host, string name, string definition) =>
        host.Add(name, new RevisionSpec { Runtime = RuntimeKind.Pipeline.Name, Pipeline = PipelineDefinition.Stored(definition), Concurrency = 64 }, model: null);
}
