using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Dormouse.Protocol;
using Dormouse.Server.Queues;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Queues;

/// <summary>Dead letters are looked at, changed and run anew, through the whole server.</summary>
public sealed class DeadLetterEditTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_dead_letter_is_changed_and_runs_anew_as_changed_and_the_original_stays_to_be_seen()
    {
        await using var host = await GatewayHost.StartAsync();
        host.Service<QueueLoop>().Start();
        host.Driver.Play = async run =>
        {
            var body = Encoding.UTF8.GetString(run.Body);
            var request = run.Context.Request;
            await FakeInstance.AnswerAsync(run.Context, body == "{\"n\":1}" ? 200 : 500, "text/plain", Encoding.UTF8.GetBytes(
                $"{request.ContentType} {request.QueryString} {request.Headers["X-Size"]} {request.Headers["X-Old"]} {body}"));
        };
        host.Add("app", GatewayHost.Program());
        var id = await DeadAsync(host, "not json");

        using var changed = await PatchAsync(host, id, """{"headers":{"X-Size":"2","X-Old":null},"query":"b=2"}""");
        using var broken = await PutAsync(host, id, "{\"n\":", "application/json");
        using var mended = await PutAsync(host, id, "{\"n\":1}", "application/json");
        var edits = (await mended.JsonAsync()).GetProperty("queue").GetProperty("edits");
        using var before = await host.Client.GetAsync($"/api/v1/invocations/{id}/body", Cancellation);
        using var redriven = await host.Client.PostAsync($"/api/v1/invocations/{id}/redrive", null, Cancellation);
        using var result = await host.Client.GetAsync($"/api/v1/invocations/{id}/result?wait=60s", Cancellation);
        using var late = await PutAsync(host, id, "x", "text/plain");

        Assert.Equal("{\"n\":1}", await before.Content.ReadAsStringAsync(Cancellation));
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (changed.StatusCode, mended.StatusCode));
        var fault = await broken.JsonAsync();
        Assert.Equal("request_invalid", fault.GetProperty("code").GetString());
        Assert.Contains("not valid JSON (line 1, byte ", fault.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal("application/json ?b=2 2  {\"n\":1}", await result.Content.ReadAsStringAsync(Cancellation));
        Assert.Equal(["headers,query", "body,headers"], edits.EnumerateArray().Select(e => string.Join(',', e.GetProperty("changed").EnumerateArray().Select(c => c.GetString()))));
        Assert.All(edits.EnumerateArray(), e => Assert.Equal((8, false), (e.GetProperty("body_bytes_before").GetInt32(), string.IsNullOrEmpty(e.GetProperty("by").GetString()))));
        Assert.Equal((HttpStatusCode.Conflict, "conflict"), (late.StatusCode, await late.CodeAsync()));

        using var original = await host.Client.GetAsync($"/api/v1/invocations/{id}/body?before=1", Cancellation);
        using var now = await host.Client.GetAsync($"/api/v1/invocations/{id}/body", Cancellation);
        Assert.Equal(("not json", "text/plain"), (await original.Content.ReadAsStringAsync(Cancellation), original.Content.Headers.ContentType?.MediaType));
        Assert.Equal((HttpStatusCode.Gone, "result_missing"), (now.StatusCode, await now.CodeAsync()));
        var (first, second) = (await RequestAsync(host, id, "?before=1"), await RequestAsync(host, id, "?before=2"));
        Assert.Equal(("/?a=1", "/?b=2"), (first.GetProperty("target").GetString(), second.GetProperty("target").GetString()));
        Assert.Contains(first.GetProperty("headers").EnumerateArray(), h => h[0].GetString() == "X-Old");
        Assert.DoesNotContain(second.GetProperty("headers").EnumerateArray(), h => h[0].GetString() == "X-Old");
        using var none = await host.Client.GetAsync($"/api/v1/invocations/{id}/body?before=3", Cancellation);
        Assert.Contains("changed 2 times", (await none.JsonAsync()).GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"headers":{"Authorization":"Bearer x"}}""", "never reaches the endpoint")]
    [InlineData("""{"headers":{"Dormouse-Attempts":"9"}}""", "never reaches the endpoint")]
    [InlineData("""{"headers":{"bad name":"1"}}""", "cannot be the name of a header")]
    [InlineData("""{"headers":{"X":"a\nb"}}""", "no control characters")]
    [InlineData("""{"headers":{"X":"1","x":"2"}}""", "each named once")]
    [InlineData("""{"query":"a b"}""", "without spaces")]
    public async Task A_change_that_cannot_be_is_refused_by_what_is_wrong(string patch, string why)
    {
        await using var host = await GatewayHost.StartAsync();
        host.Service<QueueLoop>().Start();
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, 500, "text/plain", "no"u8.ToArray());
        host.Add("app", GatewayHost.Program());
        var id = await DeadAsync(host, "x");

        using var refused = await PatchAsync(host, id, patch);
        using var empty = await PatchAsync(host, id, "{}");
        using var unknown = await PatchAsync(host, Guid.Empty.ToString(), patch);

        Assert.Equal("request_invalid", await refused.CodeAsync());
        Assert.Contains(why, (await refused.JsonAsync()).GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal("conflict", await empty.CodeAsync());
        Assert.Equal("invocation_not_found", await unknown.CodeAsync());
    }

    /// <summary>Sends one that has one attempt and returns its id when it is dead.</summary>
    private static async Task<string> DeadAsync(GatewayHost host, string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/invoke/app?a=1") { Content = new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue("text/plain")) };
        request.Headers.Add(DormouseHeaders.Mode, "async");
        request.Headers.Add(DormouseHeaders.Attempts, "1");
        request.Headers.Add("X-Old", "old");
        using var accepted = await host.Client.SendAsync(request, Cancellation);
        var id = accepted.Header(DormouseHeaders.InvocationId)!;
        using var ended = await host.Client.GetAsync($"/api/v1/invocations/{id}?wait=60s", Cancellation);
        Assert.Equal("dead", (await ended.JsonAsync()).GetProperty("queue").GetProperty("state").GetString());
        return id;
    }

    private static Task<HttpResponseMessage> PatchAsync(GatewayHost host, string id, string json) =>
        host.Client.PatchAsync($"/api/v1/invocations/{id}/request", new StringContent(json, Encoding.UTF8, "application/json"), Cancellation);

    private static Task<HttpResponseMessage> PutAsync(GatewayHost host, string id, string body, string type) =>
        host.Client.PutAsync($"/api/v1/invocations/{id}/body", new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue(type)), Cancellation);

    private static async Task<JsonElement> RequestAsync(GatewayHost host, string id, string query)
    {
        using var response = await host.Client.GetAsync($"/api/v1/invocations/{id}/request{query}", Cancellation);
        return await response.JsonAsync();
    }
}
