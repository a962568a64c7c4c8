using System.Net;
using System.Text;
using System.Text.Json;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Protocol;
using Dormouse.Server.Queues;
using Dormouse.Server.Tests.Gateway;
using Dormouse.Server.Triggers;

namespace Dormouse.Server.Tests.Triggers;

/// <summary>Triggers through the whole server, on the real store. It is 12:00 on 1 March 2026, UTC.</summary>
public sealed class TriggerTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_schedule_fires_at_its_time_and_its_endpoint_gets_an_event()
    {
        await using var host = await StartAsync();
        var seen = Record(host);
        host.Add("report", GatewayHost.Program());
        await PutAsync(host, "nightly", """{"kind":"cron","endpoint":"report","source":{"schedule":"0 3 * * *","zone":"Europe/Berlin"},"input":"{\"at\":\"$.data.scheduled_at\",\"by\":\"nightly\"}"}""");

        var before = await ShowAsync(host, "nightly");
        host.Time.Advance(TimeSpan.FromHours(14) + TimeSpan.FromSeconds(1));
        await UntilAsync(() => Task.FromResult(seen.Count == 1), "it has run");
        var after = await ShowAsync(host, "nightly");

        Assert.Equal(("active", "2026-03-02T02:00:00+00:00", 0), (before.GetProperty("state").GetString(), before.GetProperty("next_at").GetString(), before.GetProperty("fired").GetInt32()));
        Assert.Equal("2026-03-03T02:00:00+00:00", after.GetProperty("next_at").GetString());
        var (body, headers) = seen[0];
        Assert.Equal("""{"at":"2026-03-02T02:00:00Z","by":"nightly"}""", body);
        Assert.Equal(
            ("dormouse.cron", "2026-03-02T02:00:00Z", "/triggers/nightly", "nightly"),
            (headers["ce-type"], headers["ce-id"], headers["ce-source"], headers[DormouseHeaders.Trigger]));
    }

    [Fact]
    public async Task A_time_of_a_schedule_is_fired_once_however_often_the_server_begins_anew()
    {
        await using var host = await StartAsync();
        var seen = Record(host);
        host.Add("report", GatewayHost.Program());
        await PutAsync(host, "hourly", """{"kind":"cron","endpoint":"report","source":{"schedule":"0 * * * *","missed":"all"}}""");

        for (var hour = 1; hour <= 3; hour++)
        {
            // The runner ends and another one reads what is stored, as after a kill.
            await host.Service<TriggerLoop>().ChangedAsync((await host.Storage.Triggers.FindAsync(TenantId.Default, "hourly", Cancellation))!);
            host.Time.Advance(TimeSpan.FromHours(1));
            await RunAsync(host, hour);
        }

        Assert.Equal(["2026-03-01T13:00:00Z", "2026-03-01T14:00:00Z", "2026-03-01T15:00:00Z"], seen.Select(s => s.Headers["ce-id"]));
    }

    [Theory]
    [InlineData("skip", new[] { "2026-03-01T18:00:00Z" })]
    [InlineData("once", new[] { "2026-03-01T17:00:00Z", "2026-03-01T18:00:00Z" })]
    [InlineData("all", new[] { "2026-03-01T15:00:00Z", "2026-03-01T16:00:00Z", "2026-03-01T17:00:00Z", "2026-03-01T18:00:00Z" })]
    public async Task Times_at_which_the_server_was_away_are_treated_as_its_trigger_says(string missed, string[] expected)
    {
        await using var host = await StartAsync(startsTriggers: false);
        var seen = Record(host);
        host.Add("report", GatewayHost.Program());
        await PutAsync(host, "hourly", JsonSerializer.Serialize(new { kind = "cron", endpoint = "report", paused = true, source = new { schedule = "0 * * * *", missed, missed_within = "150m" } }));
        // It was on when the server ended, and the server was away until 17:20.
        await host.Storage.Triggers.ChangeAsync(TenantId.Default, "hourly", t => t with { IsPaused = false }, Cancellation);
        host.Time.Advance(TimeSpan.FromMinutes(320));

        host.Service<TriggerLoop>().Start();
        await MarkAsync(host, "hourly", 17);
        await RunAsync(host, expected.Length - 1);
        host.Time.Advance(TimeSpan.FromMinutes(40) + TimeSpan.FromSeconds(1));
        await MarkAsync(host, "hourly", 18);
        await UntilAsync(() => Task.FromResult(seen.Count == expected.Length), "all have run");

        Assert.Equal(expected, seen.Select(s => s.Headers["ce-id"]).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("allow", 3, 0, 3)]
    [InlineData("skip", 1, 0, 1)]
    [InlineData("replace", 3, 2, 2)]
    public async Task An_invocation_that_has_not_ended_at_the_next_time_is_treated_as_its_trigger_says(string overlap, int queued, int cancelled, int runs)
    {
        await using var host = await StartAsync();
        host.Driver.HoldRuns();
        var route = host.Add("report", Patient());
        await PutAsync(host, "hourly", JsonSerializer.Serialize(new { kind = "cron", endpoint = "report", source = new { schedule = "0 * * * *", overlap } }));

        for (var hour = 13; hour <= 15; hour++)
        {
            // Each hour by itself, so that none is missed.
            host.Time.Advance(new DateTimeOffset(2026, 3, 1, hour, 0, 1, TimeSpan.Zero) - host.Time.GetUtcNow());
            await MarkAsync(host, "hourly", hour);
        }

        var items = (await host.Storage.Queue.ListAsync(new QueueFilter(TenantId.Default, route.Endpoint.Id, null, null, 100), Cancellation)).Select(l => l.Item).ToList();
        Assert.Equal((queued, cancelled), (items.Count, items.Count(i => i.State == QueueState.Cancelled)));
        for (var run = 0; run < runs; run++)
        {
            (await host.Driver.NextRunAsync(Cancellation)).Release();
        }
    }

    [Fact]
    public async Task The_same_event_over_http_is_queued_once()
    {
        await using var host = await StartAsync();
        var seen = Record(host);
        host.Add("orders", GatewayHost.Program());
        await PutAsync(host, "orders", """{"kind":"http","endpoint":"orders","filter":"{\"type\":[{\"prefix\":\"order.\"}]}"}""");

        using var binary = await SendAsync(host, "orders", """{"order":7}""", "application/json", ("ce-id", "1"), ("ce-source", "/shop"), ("ce-type", "order.paid"), ("ce-specversion", "1.0"), ("ce-region", "eu"));
        using var structured = await SendAsync(
            host, "orders", """{"id":"2","source":"/shop","type":"order.sent","specversion":"1.0","time":"2026-03-01T10:00:00Z","datacontenttype":"application/json","data":{"order":8}}""", "application/cloudevents+json");
        using var batched = await SendAsync(
            host, "orders",
            """[{"id":"3","source":"/shop","type":"order.paid","specversion":"1.0","data_base64":"AQI="},{"id":"1","source":"/shop","type":"order.paid","specversion":"1.0"},{"id":"4","source":"/shop","type":"cart.left","specversion":"1.0"}]""",
            "application/cloudevents-batch+json");
        await UntilAsync(() => Task.FromResult(seen.Count == 3), "three have run");

        var first = (await binary.JsonAsync()).GetProperty("invocations")[0].GetString();
        var answer = await batched.JsonAsync();
        Assert.Equal((HttpStatusCode.Accepted, HttpStatusCode.Accepted, HttpStatusCode.Accepted), (binary.StatusCode, structured.StatusCode, batched.StatusCode));
        Assert.Equal((2, 1), (answer.GetProperty("invocations").GetArrayLength(), answer.GetProperty("passed").GetInt32()));
        Assert.Equal(first, answer.GetProperty("invocations")[1].GetString());
        var byId = seen.ToDictionary(s => s.Headers["ce-id"]);
        Assert.Equal(("""{"order":7}""", "order.paid", "eu"), (byId["1"].Body, byId["1"].Headers["ce-type"], byId["1"].Headers["ce-region"]));
        Assert.Equal(("""{"order":8}""", "application/json", "2026-03-01T10:00:00Z"), (byId["2"].Body, byId["2"].Headers["Content-Type"], byId["2"].Headers["ce-time"]));
        Assert.Equal("\u0001\u0002", byId["3"].Body);
        Assert.Equal(3, (await ShowAsync(host, "orders")).GetProperty("fired").GetInt32());
    }

    [Fact]
    public async Task What_is_no_event_and_a_trigger_that_is_paused_or_missing_are_refused()
    {
        await using var host = await StartAsync();
        host.Add("orders", GatewayHost.Program());
        await PutAsync(host, "orders", """{"kind":"http","endpoint":"orders"}""");

        using var missing = await SendAsync(host, "orders", "{}", "application/json", ("ce-id", "1"), ("ce-source", "/shop"), ("ce-specversion", "1.0"));
        using var version = await SendAsync(host, "orders", """{"id":"2","source":"/shop","type":"t","specversion":"0.3"}""", "application/cloudevents+json");
        using var list = await SendAsync(host, "orders", "{}", "application/cloudevents-batch+json");
        using var paused = await host.Client.PostAsync("/api/v1/triggers/orders/pause", null, Cancellation);
        using var whilePaused = await SendAsync(host, "orders", """{"id":"2","source":"/shop","type":"t","specversion":"1.0"}""", "application/cloudevents+json");
        using var unknown = await SendAsync(host, "nobody", "{}", "application/cloudevents+json");
        using var stranger = new HttpClient { BaseAddress = host.Http };
        using var refused = await stranger.PostAsync("/events/orders", null, Cancellation);

        Assert.Equal(("request_invalid", "request_invalid", "request_invalid"), (await missing.CodeAsync(), await version.CodeAsync(), await list.CodeAsync()));
        Assert.Equal(("paused", "trigger_paused", "trigger_not_found", "key_missing"), ((await paused.JsonAsync()).GetProperty("state").GetString(), await whilePaused.CodeAsync(), await unknown.CodeAsync(), await refused.CodeAsync()));
    }

    [Fact]
    public async Task Whole_files_of_a_folder_are_queued_oldest_first_and_moved_away()
    {
        var inbox = Directory.CreateTempSubdirectory("dmin").FullName;
        try
        {
            await using var host = await StartAsync(new() { ["DORMOUSE_TRIGGERS__FOLDERS"] = inbox, ["DORMOUSE_QUEUES__BODY_LIMIT"] = "1KiB" });
            var seen = Record(host);
            host.Add("scan", GatewayHost.Program());
            Write(host, inbox, "b.json", "{\"b\":1}", age: 60);
            Write(host, inbox, "a.json", "{\"a\":1}", age: 30);
            Write(host, inbox, "large.json", new string('x', 1025), age: 90);
            Write(host, inbox, "fresh.json", "{\"half\":", age: -3600);
            Write(host, inbox, "other.txt", "no", age: 60);

            await PutAsync(host, "inbox", JsonSerializer.Serialize(new { kind = "folder", endpoint = "scan", source = new { path = inbox, pattern = "*.json" } }));
            await AdvanceAsync(host, TimeSpan.FromSeconds(1), () => seen.Count == 2);
            await AdvanceAsync(host, TimeSpan.FromSeconds(1), () => File.Exists(Path.Combine(inbox, ".done", "a.json")));
            using var paused = await host.Client.PostAsync("/api/v1/triggers/inbox/pause", null, Cancellation);

            // Two are taken at once and run in any order; what counts is the order in which they were queued.
            var queued = await host.Storage.Queue.ListAsync(new QueueFilter(TenantId.Default, null, null, null, 10), Cancellation);
            Assert.Equal(["a.json", "b.json"], queued.Select(l => l.Item.Request.Headers.Single(h => h.Key == "ce-subject").Value));
            Assert.Equal(["""{"a":1}""", """{"b":1}"""], seen.Select(s => s.Body).Order(StringComparer.Ordinal));
            Assert.All(seen, s => Assert.Equal("application/json", s.Headers["Content-Type"]));
            Assert.Equal(["fresh.json", "other.txt"], Directory.GetFiles(inbox).Select(Path.GetFileName).Order());
            Assert.Equal(["large.json"], Directory.GetFiles(Path.Combine(inbox, ".rejected")).Select(Path.GetFileName));
        }
        finally
        {
            Directory.Delete(inbox, recursive: true);
        }
    }

    [Fact]
    public async Task While_the_queue_is_full_nothing_more_is_pulled()
    {
        var inbox = Directory.CreateTempSubdirectory("dmin").FullName;
        try
        {
            await using var host = await StartAsync(new() { ["DORMOUSE_TRIGGERS__FOLDERS"] = inbox, ["DORMOUSE_QUEUES__LIMIT"] = "1", ["DORMOUSE_QUEUES__IN_FLIGHT"] = "1" });
            host.Driver.HoldRuns();
            host.Add("scan", Patient());
            for (var i = 0; i < 5; i++)
            {
                Write(host, inbox, $"{i}.txt", $"{i}", age: 60 - i);
            }

            await PutAsync(host, "inbox", JsonSerializer.Serialize(new { kind = "folder", endpoint = "scan", source = new { path = inbox } }));
            var run = await host.Driver.NextRunAsync(Cancellation);
            await AdvanceAsync(host, TimeSpan.FromSeconds(1),
                async () => Directory.GetFiles(inbox).Length <= 3 && (await ShowAsync(host, "inbox")).GetProperty("state").GetString() == "failing", isQuietNeeded: false);
            var shown = await ShowAsync(host, "inbox");
            var looks = 0;
            await AdvanceAsync(host, TimeSpan.FromSeconds(1), () => ++looks > 5, isQuietNeeded: false);
            var left = Directory.GetFiles(inbox).Length;
            var bodies = new List<string> { Encoding.UTF8.GetString(run.Body) };
            run.Release();
            while (bodies.Count < 5)
            {
                var next = host.Driver.NextRunAsync(Cancellation).AsTask();
                await AdvanceAsync(host, TimeSpan.FromSeconds(1), () => next.IsCompleted, isQuietNeeded: false);
                bodies.Add(Encoding.UTF8.GetString((await next).Body));
                (await next).Release();
            }

            Assert.Equal(3, left);
            Assert.Contains("queues.limit", shown.GetProperty("last_error").GetString(), StringComparison.Ordinal);
            Assert.Equal(["0", "1", "2", "3", "4"], bodies);
        }
        finally
        {
            Directory.Delete(inbox, recursive: true);
        }
    }

    [Fact]
    public async Task Every_fault_of_a_trigger_is_told_at_once()
    {
        await using var host = await StartAsync();

        using var wrong = await TryPutAsync(host, "t", """{"kind":"cron","endpoint":"Report","source":{"shedule":"0 3 * * *"},"filter":"{\"type\":\"x\"}","input":"{","batch_size":0,"batch_window":"1h"}""");
        using var kind = await TryPutAsync(host, "t", """{"kind":"kafka2","endpoint":"report"}""");
        using var folder = await TryPutAsync(host, "t", """{"kind":"folder","endpoint":"report","source":{"path":"/etc"}}""");
        using var zone = await TryPutAsync(host, "t", """{"kind":"cron","endpoint":"report","source":{"schedule":"0 3 * * *","zone":"Mars"}}""");

        var detail = (await wrong.JsonAsync()).GetProperty("detail").GetString()!;
        foreach (var part in (string[])["'batch_window'", "'batch_size'", "'endpoint'", "'filter'", "'input'", "'source' has 'shedule'", "did you mean 'schedule'", "'source' lacks 'schedule'"])
        {
            Assert.Contains(part, detail, StringComparison.Ordinal);
        }

        Assert.Contains("cron, http, folder, redis, nats, rabbitmq", (await kind.JsonAsync()).GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Contains("triggers.folders", (await folder.JsonAsync()).GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Contains("Mars", (await zone.JsonAsync()).GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_trigger_can_be_run_by_hand_changed_and_deleted()
    {
        await using var host = await StartAsync();
        var seen = Record(host);
        host.Add("report", GatewayHost.Program());
        await PutAsync(host, "nightly", """{"kind":"cron","endpoint":"report","source":{"schedule":"0 3 * * *"}}""");

        using var run = await host.Client.PostAsync("/api/v1/triggers/nightly/run", null, Cancellation);
        await UntilAsync(() => Task.FromResult(seen.Count == 1), "it has run");
        var other = host.Add("other", GatewayHost.Program());
        using var changed = await TryPutAsync(host, "nightly", """{"kind":"cron","endpoint":"other","source":{"schedule":"0 4 * * *"}}""");
        host.Routes.Remove(other.Endpoint);
        using var toNobody = await host.Client.PostAsync("/api/v1/triggers/nightly/run", null, Cancellation);
        using var list = await host.Client.GetAsync("/api/v1/triggers?endpoint=other", Cancellation);
        using var deleted = await host.Client.DeleteAsync("/api/v1/triggers/nightly", Cancellation);
        using var gone = await host.Client.GetAsync("/api/v1/triggers/nightly", Cancellation);

        Assert.Equal(HttpStatusCode.Accepted, run.StatusCode);
        Assert.Equal("dormouse.run", seen[0].Headers["ce-type"]);
        Assert.Equal((HttpStatusCode.OK, "2026-03-02T04:00:00+00:00"), (changed.StatusCode, (await changed.JsonAsync()).GetProperty("next_at").GetString()));
        Assert.Equal("endpoint_not_found", await toNobody.CodeAsync());
        Assert.Equal(1, (await list.JsonAsync()).GetProperty("triggers").GetArrayLength());
        Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
        Assert.Equal("trigger_not_found", await gone.CodeAsync());
    }

    private static async Task<GatewayHost> StartAsync(Dictionary<string, string>? environment = null, bool startsTriggers = true)
    {
        var host = await GatewayHost.StartAsync(environment, storesQueue: true);
        host.Service<QueueLoop>().Start();
        if (startsTriggers)
        {
            host.Service<TriggerLoop>().Start();
        }

        return host;
    }

    /// <summary>Nothing ends for having lasted long.</summary>
    private static RevisionSpec Patient() => GatewayHost.Program() with { Timeout = TimeSpan.FromHours(24), StartTimeout = TimeSpan.FromHours(24), QueueTimeout = TimeSpan.FromHours(24) };

    /// <summary>So many have ended: time may pass, and no lease of a run that is still ending ends with it.</summary>
    private static Task RunAsync(GatewayHost host, int count) => UntilAsync(
        async () => (await host.Storage.Queue.ListAsync(new QueueFilter(TenantId.Default, null, QueueState.Succeeded, null, 100), Cancellation)).Length == count, $"{count} have run");

    /// <summary>Waits until this hour of the day was fired or passed over.</summary>
    private static Task MarkAsync(GatewayHost host, string trigger, int hour) => UntilAsync(
        async () => (await host.Storage.Triggers.FindAsync(TenantId.Default, trigger, Cancellation))!.Mark!.StartsWith($"2026-03-01T{hour}", StringComparison.Ordinal), $"{hour} o'clock is over");

    /// <summary>What instances were sent, in order.</summary>
    private static List<(string Body, IReadOnlyDictionary<string, string> Headers)> Record(GatewayHost host)
    {
        var seen = new List<(string, IReadOnlyDictionary<string, string>)>();
        host.Driver.Play = run =>
        {
            lock (seen)
            {
                seen.Add((Encoding.UTF8.GetString(run.Body), run.Context.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase)));
            }

            return FakeInstance.AnswerAsync(run.Context, 200, "text/plain", "done"u8.ToArray());
        };
        return seen;
    }

    private static void Write(GatewayHost host, string folder, string name, string text, int age)
    {
        var path = Path.Combine(folder, name);
        File.WriteAllText(path, text);
        File.SetLastWriteTimeUtc(path, host.Time.GetUtcNow().UtcDateTime.AddSeconds(-age));
    }

    private static async Task<HttpResponseMessage> TryPutAsync(GatewayHost host, string name, string json)
    {
        using var content = new StringContent(json);
        return await host.Client.PutAsync("/api/v1/triggers/" + name, content, Cancellation);
    }

    private static async Task PutAsync(GatewayHost host, string name, string json)
    {
        using var response = await TryPutAsync(host, name, json);
        Assert.True(response.StatusCode == HttpStatusCode.Created, await response.Content.ReadAsStringAsync(Cancellation));
    }

    private static async Task<JsonElement> ShowAsync(GatewayHost host, string name)
    {
        using var response = await host.Client.GetAsync("/api/v1/triggers/" + name, Cancellation);
        return await response.JsonAsync();
    }

    private static async Task<HttpResponseMessage> SendAsync(GatewayHost host, string trigger, string body, string type, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/events/" + trigger) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) };
        request.Content.Headers.TryAddWithoutValidation("Content-Type", type);
        foreach (var (name, value) in headers)
        {
            request.Headers.Add(name, value);
        }

        return await host.Client.SendAsync(request, Cancellation);
    }

    private static async Task UntilAsync(Func<Task<bool>> isSo, string what)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(Conditions.Patience);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(2));
        while (!await isSo())
        {
            Assert.False(limit.IsCancellationRequested, $"It did not come about within {Conditions.Patience.TotalSeconds} s: {what}.");
            await tick.WaitForNextTickAsync(Cancellation);
        }
    }

    private static Task AdvanceAsync(GatewayHost host, TimeSpan step, Func<bool> isSo, bool isQuietNeeded = true) => AdvanceAsync(host, step, () => Task.FromResult(isSo()), isQuietNeeded);

    /// <summary>Lets time go on until it is so; while something runs or waits for a slot only when that does not matter.</summary>
    private static Task AdvanceAsync(GatewayHost host, TimeSpan step, Func<Task<bool>> isSo, bool isQuietNeeded = true) => UntilAsync(
        async () =>
        {
            if (await isSo())
            {
                return true;
            }

            if (!isQuietNeeded || (host.Journal.OpenCount == 0 && host.Routes.Endpoints().All(e => host.Dispatch.Samples(e.Id).All(s => s.Sample is { Queued: 0, Running: 0 }))))
            {
                host.Time.Advance(step);
            }

            return false;
        },
        "while time goes on");
}
