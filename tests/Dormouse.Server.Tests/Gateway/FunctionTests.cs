using System.Net;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;
using Dormouse.Protocol;
using Dormouse.Server.Queues;

namespace Dormouse.Server.Tests.Gateway;

/// <summary>What the gateway does differently for a function: addresses, headers, and a caller who leaves.</summary>
public sealed class FunctionTests
{
    private const string Interface =
        """{"platform":"python","inputs":[],"outputs":[],"function":{"kind":"function","stream":false,"doc":"Greets.","input":{"type":"object"}}}""";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Tensors_are_refused_before_anything_starts_and_metadata_says_what_it_takes()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Add("greet", Spec(), model: Interface);

        using var infer = await host.InferAsync("greet");
        var problem = await infer.JsonAsync();
        Assert.Equal((HttpStatusCode.NotImplemented, "not_supported"), (infer.StatusCode, problem.GetProperty("code").GetString()));
        Assert.Contains("/invoke/greet", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);

        using var metadata = await host.Client.GetAsync(new Uri("/v2/models/greet", UriKind.Relative), Cancellation);
        var shown = await metadata.JsonAsync();
        Assert.Equal(("python", "object"), (shown.GetProperty("platform").GetString(), shown.GetProperty("function").GetProperty("input").GetProperty("type").GetString()));
        Assert.Equal(0, host.Driver.Started);
    }

    [Fact]
    public async Task A_queued_call_is_refused_and_told_the_same()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Service<QueueLoop>().Start();
        var seen = new TaskCompletionSource<Dictionary<string, string>>();
        host.Driver.Play = run =>
        {
            seen.TrySetResult(run.Context.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase));
            return FakeInstance.AnswerAsync(run.Context, 200, "text/plain", "hello"u8.ToArray());
        };
        host.Add("greet", Spec(), model: Interface);

        using var tensors = await SendQueuedAsync(host, "/v2/models/greet/infer");
        using var accepted = await SendQueuedAsync(host, "/invoke/greet");
        var headers = await seen.Task.WaitAsync(Cancellation);

        Assert.Equal(HttpStatusCode.NotImplemented, tensors.StatusCode);
        Assert.Equal(accepted.Header(DormouseHeaders.InvocationId), headers[DormouseHeaders.InvocationId]);
        Assert.Equal(("greet", "1"), (headers[DormouseHeaders.ModelName], headers[DormouseHeaders.Attempt]));
        Assert.False(headers.ContainsKey(DormouseHeaders.Cancel));
    }

    [Fact]
    public async Task What_only_the_server_says_of_an_answer_a_function_cannot_say()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Service<QueueLoop>().Start();
        string[] own = [DormouseHeaders.InvocationId, DormouseHeaders.Start, DormouseHeaders.Replayed, DormouseHeaders.Overflow, "Server-Timing"];
        host.Driver.Play = run =>
        {
            foreach (var name in own)
            {
                run.Context.Response.Headers[name] = "made-up";
            }

            run.Context.Response.Headers["X-Own"] = "kept";
            return FakeInstance.AnswerAsync(run.Context, 200, "text/plain", "hello"u8.ToArray());
        };
        host.Add("greet", Spec(), model: Interface);

        using var called = await host.Client.PostAsync(new Uri("/invoke/greet", UriKind.Relative), null, Cancellation);
        using var accepted = await SendQueuedAsync(host, "/invoke/greet");
        var id = accepted.Header(DormouseHeaders.InvocationId);
        using var queued = await host.Client.GetAsync(new Uri($"/api/v1/invocations/{id}/result?wait=60s", UriKind.Relative), Cancellation);

        foreach (var answer in (HttpResponseMessage[])[called, queued])
        {
            Assert.Equal((HttpStatusCode.OK, "kept"), (answer.StatusCode, answer.Header("X-Own")));
            Assert.DoesNotContain(answer.Headers, h => own.Contains(h.Key) && h.Value.Any(v => v.Contains("made-up", StringComparison.Ordinal)));
            Assert.Single(answer.Headers.GetValues(DormouseHeaders.InvocationId));
        }

        Assert.Equal(id, queued.Header(DormouseHeaders.InvocationId));
    }

    [Fact]
    public async Task It_is_told_which_invocation_it_runs_until_when_and_nothing_that_a_caller_made_up()
    {
        await using var host = await GatewayHost.StartAsync();
        var seen = new TaskCompletionSource<Dictionary<string, string>>();
        host.Driver.Play = run =>
        {
            seen.TrySetResult(run.Context.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase));
            return FakeInstance.AnswerAsync(run.Context, 200, "text/plain", "hello"u8.ToArray());
        };
        host.Add("greet", Spec(), model: Interface);
        using var request = new HttpRequestMessage(HttpMethod.Put, new Uri("/invoke/greet/any/path?x=1", UriKind.Relative));
        request.Headers.Add(DormouseHeaders.Cancel, "somebody-else");
        request.Headers.Add(DormouseHeaders.ModelName, "made-up");
        request.Headers.Add(DormouseHeaders.InvocationId, "made-up");
        request.Headers.Add(DormouseHeaders.Deadline, "5s");

        using var answer = await host.Client.SendAsync(request, Cancellation);

        var headers = await seen.Task.WaitAsync(Cancellation);
        Assert.Equal("hello", await answer.Content.ReadAsStringAsync(Cancellation));
        Assert.Equal(answer.Header(DormouseHeaders.InvocationId), headers[DormouseHeaders.InvocationId]);
        Assert.Equal(("greet", "1"), (headers[DormouseHeaders.ModelName], headers[DormouseHeaders.ModelVersion]));
        Assert.Equal(host.Time.GetUtcNow().AddSeconds(5), DateTimeOffset.Parse(headers[DormouseHeaders.Deadline], System.Globalization.CultureInfo.InvariantCulture));
        Assert.False(headers.ContainsKey(DormouseHeaders.Cancel));
        Assert.False(headers.ContainsKey("Authorization"));
    }

    [Fact]
    public async Task A_caller_who_leaves_makes_the_instance_end_the_run_and_the_slot_is_held_until_it_has()
    {
        await using var host = await GatewayHost.StartAsync();
        var cancelled = new TaskCompletionSource<string>();
        var ended = new TaskCompletionSource();
        var began = new TaskCompletionSource<string>();
        host.Driver.Play = async run =>
        {
            if (run.Context.Request.Headers.TryGetValue(DormouseHeaders.Cancel, out var id))
            {
                cancelled.TrySetResult(id.ToString());
                run.Context.Response.StatusCode = 204;
                return;
            }

            began.TrySetResult(run.Context.Request.Headers[DormouseHeaders.InvocationId].ToString());
            await ended.Task.WaitAsync(run.Context.RequestAborted);
            await FakeInstance.AnswerAsync(run.Context, 499, "application/problem+json", "{}"u8.ToArray());
        };
        host.Add("greet", Spec(), model: Interface);
        using var leaving = new CancellationTokenSource();
        var call = host.Client.PostAsync(new Uri("/invoke/greet", UriKind.Relative), new StringContent("{}"), leaving.Token);
        var invocation = await began.Task.WaitAsync(Cancellation);

        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);

        Assert.Equal(invocation, await cancelled.Task.WaitAsync(Cancellation));
        Assert.Empty(host.Journal.Receipts);
        ended.SetResult();
        var receipt = await host.Journal.NextReceiptAsync(Cancellation);
        Assert.Equal((Outcome.CallerLeft, 0), (receipt.Outcome, receipt.Status));
        Assert.Single(host.Driver.Alive);
    }

    [Fact]
    public async Task A_stream_is_passed_on_as_it_comes_and_its_end_is_the_end_of_the_run()
    {
        await using var host = await GatewayHost.StartAsync();
        var next = new TaskCompletionSource();
        host.Driver.Play = async run =>
        {
            run.Context.Response.ContentType = "application/x-ndjson";
            await run.Context.Response.Body.WriteAsync("1\n"u8.ToArray(), Cancellation);
            await run.Context.Response.Body.FlushAsync(Cancellation);
            await next.Task.WaitAsync(run.Context.RequestAborted);
            await run.Context.Response.Body.WriteAsync("2\n"u8.ToArray(), Cancellation);
        };
        host.Add("count", Spec(), model: Interface);

        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri("/invoke/count", UriKind.Relative)) { Content = new StringContent("{}") };
        using var answer = await host.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation);
        using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync(Cancellation));

        Assert.Equal("1", await lines.ReadLineAsync(Cancellation));
        Assert.Empty(host.Journal.Receipts);
        next.SetResult();
        Assert.Equal("2", await lines.ReadLineAsync(Cancellation));
        Assert.Null(await lines.ReadLineAsync(Cancellation));
        Assert.Equal(Outcome.Completed, (await host.Journal.NextReceiptAsync(Cancellation)).Outcome);
    }

    [Fact]
    public async Task A_problem_of_its_own_passes_untouched()
    {
        const string Document = """{"type":"urn:dormouse:problem:input_invalid","status":422,"code":"input_invalid","detail":"argument 'n': …","field":"n","retryable":false}""";
        await using var host = await GatewayHost.StartAsync();
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 422, "application/problem+json", System.Text.Encoding.UTF8.GetBytes(Document));
        host.Add("greet", Spec(), model: Interface);

        using var answer = await host.Client.PostAsync(new Uri("/invoke/greet", UriKind.Relative), new StringContent("{}"), Cancellation);

        Assert.Equal((422, Document), ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(Cancellation)));
        Assert.Equal((Outcome.Rejected, 422), Assert.Single(host.Journal.Receipts) is var r ? (r.Outcome, r.Status) : default);
    }

    private static async Task<HttpResponseMessage> SendQueuedAsync(GatewayHost host, string address)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(address, UriKind.Relative)) { Content = new StringContent("{}") };
        request.Headers.Add(DormouseHeaders.Mode, "async");
        request.Headers.Add(DormouseHeaders.Cancel, "somebody-else");
        request.Headers.Add(DormouseHeaders.ModelName, "made-up");
        return await host.Client.SendAsync(request, Cancellation);
    }

    private static RevisionSpec Spec() => GatewayHost.Spec() with { Runtime = RuntimeKind.Python.Name, Handler = "app.py::greet" };
}
