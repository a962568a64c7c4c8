using System.Net;
using System.Text;
using System.Text.Json;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Triggers;

/// <summary>What all kinds of triggers have in common, shown with a watched folder: batches, pauses, lag, endpoints that go, and what models get.</summary>
public sealed class TriggerFeedTests : IDisposable
{
    private readonly string _inbox = Directory.CreateTempSubdirectory("dmin").FullName;
    private readonly TriggerLines _log = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _log.Dispose();
        Directory.Delete(_inbox, recursive: true);
    }

    [Fact]
    public async Task A_trigger_of_an_endpoint_that_is_not_there_is_refused()
    {
        await using var host = await StartAsync();
        host.Add("there", GatewayHost.Program());
        host.Add("model");

        using var refused = await TryPutAsync(host, new { kind = "folder", endpoint = "nobody", source = new { path = _inbox } });
        using var paused = await TryPutAsync(host, new { kind = "folder", endpoint = "nobody", paused = true, batch_size = 0, source = new { path = _inbox } });
        using var batches = await TryPutAsync(host, new { kind = "folder", endpoint = "model", batch_size = 7, source = new { path = _inbox } });
        await PutAsync(host, new { kind = "folder", endpoint = "there", batch_size = 7, source = new { path = _inbox } });
        using var changed = await TryPutAsync(host, new { kind = "folder", endpoint = "nobody", source = new { path = _inbox } });
        using var list = await host.Client.GetAsync("/api/v1/triggers", Cancellation);

        Assert.Equal((HttpStatusCode.UnprocessableEntity, "spec_invalid"), (refused.StatusCode, await refused.CodeAsync()));
        Assert.Contains("'endpoint' is 'nobody', which there is not; deploy it first", await DetailAsync(refused), StringComparison.Ordinal);
        Assert.Contains("'batch_size' is 0", await DetailAsync(paused), StringComparison.Ordinal);
        Assert.Contains("'endpoint' is 'nobody'", await DetailAsync(paused), StringComparison.Ordinal);
        Assert.Contains("'batch_size' is 7; allowed is 1 for a model", await DetailAsync(batches), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, changed.StatusCode);
        Assert.Equal("there", Assert.Single((await list.JsonAsync()).GetProperty("triggers").EnumerateArray()).GetProperty("endpoint").GetString());
    }

    [Fact]
    public async Task While_its_endpoint_is_gone_a_trigger_says_so_once_and_keeps_its_events()
    {
        await using var host = await StartAsync();
        var seen = Record(host);
        var route = host.Add("scan", GatewayHost.Program());
        await PutAsync(host, new { kind = "folder", endpoint = "scan", source = new { path = _inbox } });
        host.Routes.Remove(route.Endpoint);
        Write(host, "1.txt", "one");

        // Its pauses grow: 1, 2, 4 … s, so it has tried often enough.
        await AdvanceAsync(host, async () => (await ShowAsync(host)).GetProperty("state").GetString() == "failing");
        var failedAt = host.Time.GetUtcNow();
        await AdvanceAsync(host, () => Task.FromResult(host.Time.GetUtcNow() - failedAt > TimeSpan.FromMinutes(5)));
        var failing = await ShowAsync(host);
        host.Add("scan", GatewayHost.Program());
        await AdvanceAsync(host, () => Task.FromResult(seen.Count == 1));
        await AdvanceAsync(host, async () => (await ShowAsync(host)).GetProperty("state").GetString() == "active" && _log.Lines.Count == 2);

        Assert.Contains("there is no endpoint 'scan'", failing.GetProperty("last_error").GetString(), StringComparison.Ordinal);
        Assert.Equal("failing", failing.GetProperty("state").GetString());
        Assert.Equal("one", seen[0].Body);
        Assert.Collection(_log.Lines, l => Assert.Contains("cannot go on", l, StringComparison.Ordinal), l => Assert.Contains("goes on", l, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Events_of_one_batch_are_one_input_up_to_its_size_and_its_window()
    {
        await using var host = await StartAsync();
        var seen = Record(host);
        host.Add("scan", GatewayHost.Program());
        for (var i = 1; i <= 5; i++)
        {
            Write(host, $"{i}.json", $"{{\"n\":{i}}}");
        }

        await PutAsync(host, new
        {
            kind = "folder",
            endpoint = "scan",
            source = new { path = _inbox },
            filter = """{"data":{"n":[{"anything-but":2}]}}""",
            input = """{"number":"$.data.n","of":"$.subject"}""",
            batch_size = 3,
            batch_window = "10s",
        });
        await UntilAsync(() => Task.FromResult(seen.Count == 1), "a full batch does not wait for its window");
        var before = host.Time.GetUtcNow();
        await AdvanceAsync(host, () => Task.FromResult(seen.Count == 2));
        var waited = host.Time.GetUtcNow() - before;
        await AdvanceAsync(host, () => Task.FromResult(Directory.GetFiles(_inbox).Length == 0));

        // The second one is passed over and takes no place in the batch.
        Assert.Equal("""[{"number":1,"of":"1.json"},{"number":3,"of":"3.json"},{"number":4,"of":"4.json"}]""", seen[0].Body);
        Assert.Equal("""[{"number":5,"of":"5.json"}]""", seen[1].Body);
        Assert.Equal("application/json", seen[0].Headers["Content-Type"]);
        Assert.True(waited >= TimeSpan.FromSeconds(9), $"The half batch was sent after {waited}.");
        Assert.Equal(2, (await ShowAsync(host)).GetProperty("fired").GetInt32());
    }

    [Fact]
    public async Task What_is_too_large_together_is_sent_in_halves_and_what_is_alone_put_aside()
    {
        await using var host = await StartAsync(new() { ["DORMOUSE_QUEUES__BODY_LIMIT"] = "1KiB" });
        var seen = Record(host);
        host.Add("scan", GatewayHost.Program());
        foreach (var (name, length) in ((string, int)[])[("a", 400), ("b", 400), ("c", 1_025), ("d", 400)])
        {
            Write(host, name, new string(name[0], length));
        }

        await PutAsync(host, new { kind = "folder", endpoint = "scan", source = new { path = _inbox }, batch_size = 4 });
        await AdvanceAsync(host, () => Task.FromResult(seen.Count == 2 && Directory.GetFiles(_inbox).Length == 0));

        Assert.Equal([$"[\"{new string('a', 400)}\",\"{new string('b', 400)}\"]", $"[\"{new string('d', 400)}\"]"], seen.Select(s => s.Body).Order(StringComparer.Ordinal));
        Assert.Equal(["c"], Directory.GetFiles(Path.Combine(_inbox, ".rejected")).Select(Path.GetFileName));
    }

    [Fact]
    public async Task While_it_is_paused_nothing_is_pulled_and_when_it_is_resumed_what_came_meanwhile_is()
    {
        await using var host = await StartAsync();
        var seen = Record(host);
        host.Add("scan", GatewayHost.Program());
        await PutAsync(host, new { kind = "folder", endpoint = "scan", source = new { path = _inbox } });
        Write(host, "1.txt", "one");
        await AdvanceAsync(host, () => Task.FromResult(seen.Count == 1));
        await AdvanceAsync(host, () => Task.FromResult(Directory.GetFiles(_inbox).Length == 0));

        using var paused = await host.Client.PostAsync("/api/v1/triggers/t/pause", null, Cancellation);
        Write(host, "2.txt", "two");
        var pausedAt = host.Time.GetUtcNow();
        await AdvanceAsync(host, () => Task.FromResult(host.Time.GetUtcNow() - pausedAt > TimeSpan.FromMinutes(2)));
        var (while_, left) = (seen.Count, Directory.GetFiles(_inbox).Length);
        using var resumed = await host.Client.PostAsync("/api/v1/triggers/t/resume", null, Cancellation);
        await AdvanceAsync(host, () => Task.FromResult(seen.Count == 2));

        Assert.Equal((1, 1), (while_, left));
        Assert.Equal(("paused", "active"), ((await paused.JsonAsync()).GetProperty("state").GetString(), (await resumed.JsonAsync()).GetProperty("state").GetString()));
        Assert.Equal(["one", "two"], seen.Select(s => s.Body));
    }

    [Fact]
    public async Task A_schedule_that_is_resumed_makes_up_for_nothing_that_passed_while_it_was_paused()
    {
        await using var host = await StartAsync();
        var seen = Record(host);
        host.Add("scan", GatewayHost.Program());
        await PutAsync(host, new { kind = "cron", endpoint = "scan", source = new { schedule = "0 * * * *", missed = "all" } });

        using var paused = await host.Client.PostAsync("/api/v1/triggers/t/pause", null, Cancellation);
        host.Time.Advance(TimeSpan.FromMinutes(190));
        using var resumed = await host.Client.PostAsync("/api/v1/triggers/t/resume", null, Cancellation);
        var next = (await resumed.JsonAsync()).GetProperty("next_at").GetString();
        await AdvanceAsync(host, () => Task.FromResult(seen.Count == 1), TimeSpan.FromMinutes(1));

        Assert.Equal("2026-03-01T16:00:00+00:00", next);
        Assert.Equal("2026-03-01T16:00:00Z", seen[0].Headers["ce-id"]);
    }

    [Fact]
    public async Task A_model_gets_tables_as_tensors_and_pictures_at_its_own_address()
    {
        await using var host = await StartAsync();
        var seen = Record(host);
        host.Add("scan");
        Write(host, "1.csv", "a;b;c;d\n1;2;3;4\n5;6;7;8.5\n");
        Write(host, "2.csv", "a,b,c\n1,2,3\n");
        Write(host, "3.csv", "a,b,c,d\n1,2,3,many\n");
        Write(host, "4.png", "a picture");
        Write(host, "5.json", """{"inputs":[]}""");

        await PutAsync(host, new { kind = "folder", endpoint = "scan", source = new { path = _inbox } });
        await AdvanceAsync(host, () => Task.FromResult(seen.Count == 3 && Directory.GetFiles(_inbox).Length == 0));

        var table = seen.Single(s => s.Headers["ce-subject"] == "1.csv");
        Assert.Equal(
            ("""{"inputs":[{"name":"x","datatype":"FP32","shape":[2,4],"data":[1,2,3,4,5,6,7,8.5]}]}""", "/infer", "application/json"), (table.Body, table.Path, table.Headers["Content-Type"]));
        var picture = seen.Single(s => s.Headers["ce-subject"] == "4.png");
        Assert.Equal(("a picture", "/", "image/png"), (picture.Body, picture.Path, picture.Headers["Content-Type"]));
        Assert.Equal("/infer", seen.Single(s => s.Headers["ce-subject"] == "5.json").Path);
        Assert.Equal(["2.csv", "3.csv"], Directory.GetFiles(Path.Combine(_inbox, ".rejected")).Select(Path.GetFileName).Order());
    }

    [Fact]
    public async Task A_table_for_a_function_stays_one()
    {
        await using var host = await StartAsync();
        var seen = Record(host);
        host.Add("scan", GatewayHost.Program());
        Write(host, "1.csv", "a,b\n1,2\n");

        await PutAsync(host, new { kind = "folder", endpoint = "scan", source = new { path = _inbox } });
        await AdvanceAsync(host, () => Task.FromResult(seen.Count == 1));

        Assert.Equal(("a,b\n1,2\n", "text/csv"), (seen[0].Body, seen[0].Headers["Content-Type"]));
    }

    [Fact]
    public async Task Over_http_a_trigger_may_take_every_body_as_it_is()
    {
        await using var host = await StartAsync();
        var seen = Record(host);
        host.Add("hook", GatewayHost.Program());
        await PutAsync(host, new { kind = "http", endpoint = "hook", source = new { events = "any" }, filter = """{"data":{"action":[{"exists":true}]}}""" });

        async Task<JsonElement> SendAsync(string body, string? key)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/events/t?from=shop") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
            if (key is not null)
            {
                request.Headers.Add("webhook-id", key);
            }

            using var response = await host.Client.SendAsync(request, Cancellation);
            Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
            return await response.JsonAsync();
        }

        var first = await SendAsync("""{"action":"paid"}""", "evt_1");
        var again = await SendAsync("""{"action":"paid"}""", "evt_1");
        var other = await SendAsync("""{"action":"sent"}""", null);
        var passed = await SendAsync("""{"ping":true}""", null);
        await UntilAsync(() => Task.FromResult(seen.Count == 2), "both have run");
        using var wrong = await TryPutAsync(host, new { kind = "http", endpoint = "hook", source = new { events = "all" } });

        Assert.Equal(first.GetProperty("invocations")[0].GetString(), again.GetProperty("invocations")[0].GetString());
        Assert.NotEqual(first.GetProperty("invocations")[0].GetString(), other.GetProperty("invocations")[0].GetString());
        Assert.Equal((0, 1), (passed.GetProperty("invocations").GetArrayLength(), passed.GetProperty("passed").GetInt32()));
        var paid = seen.Single(s => s.Body.Contains("paid", StringComparison.Ordinal));
        Assert.Equal(("evt_1", "dormouse.http", "from=shop"), (paid.Headers["ce-id"], paid.Headers["ce-type"], paid.Headers["ce-query"]));
        Assert.Contains("allowed is cloudevents, s3 or any", await DetailAsync(wrong), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("redis", """{"url":"redis://b","stream":"s"}""", "'batch_window' is 31s; allowed is at most half of 'claim_after' (60s)")]
    [InlineData("redis", """{"url":"redis://b","stream":"s","claim_after":"62s"}""", null)]
    [InlineData("nats", """{"url":"nats://b","stream":"s"}""", "'batch_window' is 31s; allowed is at most half of 'ack_wait' (60s)")]
    [InlineData("nats", """{"url":"nats://b","stream":"s","ack_wait":"no"}""", "'ack_wait' is 'no'")]
    public async Task A_batch_must_not_wait_until_its_events_come_again(string kind, string source, string? expected)
    {
        await using var host = await StartAsync();
        host.Add("scan", GatewayHost.Program());

        using var put = await TryPutAsync(host, new { kind, endpoint = "scan", paused = true, batch_size = 2, batch_window = "31s", source = JsonSerializer.Deserialize<Dictionary<string, string>>(source) });

        Assert.Equal(expected is null ? HttpStatusCode.Created : HttpStatusCode.UnprocessableEntity, put.StatusCode);
        Assert.Contains(expected ?? "", expected is null ? "" : await DetailAsync(put), StringComparison.Ordinal);
    }

    private Task<GatewayHost> StartAsync(Dictionary<string, string>? settings = null) => TriggerHost.StartAsync(_inbox, settings, _log);

    private void Write(GatewayHost host, string name, string text) => TriggerHost.Write(host, _inbox, name, text);

    private static List<SeenRun> Record(GatewayHost host) => TriggerHost.Record(host);

    private static Task PutAsync(GatewayHost host, object trigger) => TriggerHost.PutAsync(host, trigger);

    private static Task<HttpResponseMessage> TryPutAsync(GatewayHost host, object trigger) => TriggerHost.TryPutAsync(host, trigger);

    private static Task<JsonElement> ShowAsync(GatewayHost host) => TriggerHost.ShowAsync(host);

    private static Task UntilAsync(Func<Task<bool>> isSo, string what) => TriggerHost.UntilAsync(isSo, what);

    private static Task AdvanceAsync(GatewayHost host, Func<Task<bool>> isSo, TimeSpan? step = null) => TriggerHost.AdvanceAsync(host, isSo, step);

    private static async Task<string> DetailAsync(HttpResponseMessage response) => (await response.JsonAsync()).GetProperty("detail").GetString()!; // A problem has one.
}
