using System.Net;
using System.Text;
using System.Text.Json;
using Dormouse.Core.Batches;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Server.Batches;
using Dormouse.Server.Queues;
using Dormouse.Server.Tests.Gateway;
using Dormouse.Storage.Tests.Batches;
using Dormouse.Storage.Tests.Queues;

namespace Dormouse.Server.Tests.Batches;

/// <summary>Batch jobs through the whole server, on the real store, over files of a folder that the operator opened.</summary>
public sealed class BatchTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dmbi").FullName;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_broken_line_has_its_error_beside_it_and_the_rest_run_in_order()
    {
        await using var host = await StartAsync();
        host.Add("double", GatewayHost.Program());
        Double(host);
        Write("ten.jsonl", string.Join('\n', Enumerable.Range(1, 10).Select(i => i == 7 ? "{\"n\":7" : $"{{\"n\":{i}}}")) + "\n\n");

        var made = await CreateAsync(host, new { endpoint = "double", input = new { path = Place("ten.jsonl") }, concurrency = 3 });
        var job = await EndedAsync(host, made);
        var results = await ResultsAsync(host, made);

        Assert.Equal(("done", 9, 1, 1, 0, "r1", "lines"), (job.GetProperty("state").GetString(), Number(job, "succeeded"), Number(job, "failed"), Number(job, "skipped"), Number(job, "in_flight"), job.GetProperty("revision").GetString(), job.GetProperty("input").GetProperty("format").GetString()));
        Assert.Equal(Enumerable.Range(1, 10), results.Select(r => r.GetProperty("item").GetInt32()));
        Assert.Equal(Enumerable.Range(1, 10).Select(i => $"line {i}"), results.Select(r => r.GetProperty("input").GetString()));
        Assert.Equal([2, 4, 6, 8, 10, 12, 16, 18, 20], results.Where(r => r.TryGetProperty("output", out _)).Select(r => r.GetProperty("output").GetProperty("twice").GetInt32()));
        var error = results[6].GetProperty("error");
        Assert.Equal(("input_invalid", 0), (error.GetProperty("code").GetString(), error.GetProperty("attempts").GetInt32()));
        // Nothing of it is left in the queue.
        Assert.Empty(await host.Storage.Queue.ListAsync(new QueueFilter(TenantId.Default, null, null, null, 10), Cancellation));
    }

    [Fact]
    public async Task A_failing_item_is_tried_again_and_told_with_its_attempts_and_a_table_comes_out_of_a_table()
    {
        await using var host = await StartAsync();
        host.Add("greet", GatewayHost.Program());
        host.Driver.Play = run =>
        {
            var name = JsonDocument.Parse(run.Body).RootElement.GetProperty("name").GetString()!;
            return name switch
            {
                "Bob" => FakeInstance.AnswerAsync(run.Context, 422, "application/problem+json", """{"code":"input_invalid","detail":"no Bobs"}"""u8.ToArray()),
                "Eve" => FakeInstance.AnswerAsync(run.Context, 500, "text/plain", "oh"u8.ToArray()),
                _ => FakeInstance.AnswerAsync(run.Context, 200, "application/json", Encoding.UTF8.GetBytes($$"""{"greeting":"Hello, {{name}}!","length":{{name.Length}}}""")),
            };
        };
        Write("people.csv", "name,age\nBob,1\nEve,2\nAda,36\n\"Smith, Jo\",4\n");

        var made = await CreateAsync(host, new { endpoint = "greet", input = new { path = Place("people.csv") } });
        var job = await EndedAsync(host, made, TimeSpan.FromSeconds(5));
        var results = await ResultsAsync(host, made);
        using var csv = await host.Client.GetAsync($"/api/v1/batches/{made}/results?format=csv", Cancellation);

        Assert.Equal(("done", 2, 2), (job.GetProperty("state").GetString(), Number(job, "succeeded"), Number(job, "failed")));
        Assert.Equal(
            [("input_invalid", "no Bobs", 1), ("dead", "the instance answered 500 (attempt 3 of 3)", 3)],
            results.Take(2).Select(r => r.GetProperty("error")).Select(e => (e.GetProperty("code").GetString()!, e.GetProperty("detail").GetString()!, e.GetProperty("attempts").GetInt32())));
        Assert.Equal(
            "item,input,greeting,length,error_code,error_detail\r\n1,line 2,,,input_invalid,no Bobs\r\n2,line 3,,,dead,the instance answered 500 (attempt 3 of 3)\r\n3,line 4,\"Hello, Ada!\",3,,\r\n4,line 5,\"Hello, Smith, Jo!\",9,,\r\n",
            await csv.Content.ReadAsStringAsync(Cancellation));
    }

    [Fact]
    public async Task Above_its_budget_a_job_stops_keeps_what_it_has_and_goes_on_with_a_larger_one()
    {
        await using var host = await StartAsync();
        host.Add("pick", GatewayHost.Program());
        host.Driver.Play = run => FakeInstance.AnswerAsync(run.Context, run.Body.Length > 0 && run.Body[0] == '0' ? 400 : 200, "application/json", "1"u8.ToArray());
        Write("n.jsonl", string.Join('\n', Enumerable.Range(0, 60).Select(i => i % 3 == 0 ? "0" : "1")));

        var made = await CreateAsync(host, new { endpoint = "pick", input = new { path = Place("n.jsonl") }, concurrency = 2, max_failures = "3" });
        var stopped = await EndedAsync(host, made);
        using var same = await host.Client.PostAsync($"/api/v1/batches/{made}/resume", null, Cancellation);
        using var more = await PostAsync(host, $"/api/v1/batches/{made}/resume", new { max_failures = "50%" });
        var done = await EndedAsync(host, made);

        Assert.Equal(("failed", 0), (stopped.GetProperty("state").GetString(), Number(stopped, "in_flight")));
        Assert.InRange(Number(stopped, "failed"), 4, 7);
        Assert.Contains("--max-failures 3", stopped.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Equal((HttpStatusCode.Conflict, HttpStatusCode.OK), (same.StatusCode, more.StatusCode));
        Assert.Equal(("done", 40, 20), (done.GetProperty("state").GetString(), Number(done, "succeeded"), Number(done, "failed")));
        Assert.Equal(Enumerable.Range(1, 60), (await ResultsAsync(host, made)).Select(r => r.GetProperty("item").GetInt32()));
    }

    [Fact]
    public async Task It_can_be_paused_resumed_cancelled_and_deleted()
    {
        await using var host = await StartAsync();
        host.Driver.HoldRuns();
        host.Add("slow", Patient());
        Write("n.jsonl", string.Join('\n', Enumerable.Range(1, 20)));

        var made = await CreateAsync(host, new { endpoint = "slow", input = new { path = Place("n.jsonl") }, concurrency = 2 });
        var run = await host.Driver.NextRunAsync(Cancellation);
        using var paused = await host.Client.PostAsync($"/api/v1/batches/{made}/pause", null, Cancellation);
        using var early = await host.Client.DeleteAsync($"/api/v1/batches/{made}", Cancellation);
        run.Release();
        (await host.Driver.NextRunAsync(Cancellation)).Release();
        var quiet = await UntilAsync(host, made, j => Number(j, "in_flight") == 0);
        using var resumed = await host.Client.PostAsync($"/api/v1/batches/{made}/resume", null, Cancellation);
        var next = await host.Driver.NextRunAsync(Cancellation);
        using var cancelled = await host.Client.PostAsync($"/api/v1/batches/{made}/cancel", null, Cancellation);
        next.Release();
        var ended = await EndedAsync(host, made);
        var results = await ResultsAsync(host, made);
        using var again = await host.Client.PostAsync($"/api/v1/batches/{made}/resume", null, Cancellation);
        using var list = await host.Client.GetAsync("/api/v1/batches?endpoint=slow&state=cancelled", Cancellation);
        using var deleted = await host.Client.DeleteAsync($"/api/v1/batches/{made}", Cancellation);
        using var gone = await host.Client.GetAsync($"/api/v1/batches/{made}/results", Cancellation);

        Assert.Equal((HttpStatusCode.OK, "conflict", "paused", 2), (paused.StatusCode, await early.CodeAsync(), quiet.GetProperty("state").GetString(), Number(quiet, "succeeded")));
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK, "cancelled"), (resumed.StatusCode, cancelled.StatusCode, ended.GetProperty("state").GetString()));
        Assert.Equal([1, 2, 3, 4], results.Select(r => r.GetProperty("item").GetInt32()));
        Assert.All(results.Skip(2), r => Assert.Equal("cancelled", r.GetProperty("error").GetProperty("code").GetString()));
        Assert.Equal(("conflict", 1), (await again.CodeAsync(), (await list.JsonAsync()).GetProperty("batches").GetArrayLength()));
        Assert.Equal((HttpStatusCode.NoContent, "batch_not_found"), (deleted.StatusCode, await gone.CodeAsync()));
    }

    [Fact]
    public async Task A_job_that_is_resumed_while_its_runner_finds_nothing_left_to_do_goes_on()
    {
        await using var host = await StartAsync(storesQueue: false);
        var store = Assert.IsType<InMemoryBatches>(host.Service<IBatchStore>());
        var end = new InMemoryQueue.Hold();
        host.Driver.HoldRuns();
        host.Add("slow", Patient());
        Write("n.jsonl", string.Join('\n', Enumerable.Range(1, 20)));

        var made = await CreateAsync(host, new { endpoint = "slow", input = new { path = Place("n.jsonl") }, concurrency = 2 });
        var run = await host.Driver.NextRunAsync(Cancellation);
        using var paused = await host.Client.PostAsync($"/api/v1/batches/{made}/pause", null, Cancellation);
        store.HeldEnd = end;
        run.Release();
        (await host.Driver.NextRunAsync(Cancellation)).Release();
        await end.Begun.Task.WaitAsync(Cancellation);
        using var resumed = await host.Client.PostAsync($"/api/v1/batches/{made}/resume", null, Cancellation);
        end.Go.SetResult();
        // Time stands still: nobody looks by himself.
        var next = await host.Driver.NextRunAsync(Cancellation).AsTask().WaitAsync(Conditions.Patience, Cancellation);
        using var cancelled = await host.Client.PostAsync($"/api/v1/batches/{made}/cancel", null, Cancellation);
        next.Release();

        Assert.Equal("cancelled", (await EndedAsync(host, made)).GetProperty("state").GetString());
    }

    [Fact]
    public async Task However_long_the_input_is_only_a_window_of_it_is_held()
    {
        await using var host = await StartAsync();
        host.Driver.HoldRuns();
        var route = host.Add("slow", Patient());
        Write("long.jsonl", string.Concat(Enumerable.Repeat("{\"some\":\"thing\"}\n", 200_000)));

        var made = await CreateAsync(host, new { endpoint = "slow", input = new { path = Place("long.jsonl") }, concurrency = 5 });
        var id = new BatchId(Guid.Parse(made));
        var most = default(BatchWindow);
        for (var runs = 0; runs < 40; runs++)
        {
            // The first stays: the others may run ahead of it as far as the window goes, and no further.
            var run = await host.Driver.NextRunAsync(Cancellation);
            var window = await host.Storage.Batches.WindowAsync(id, Cancellation);
            most = new BatchWindow(Math.Max(most.Held, window.Held), Math.Max(most.Live, window.Live), Math.Max(most.HeldBytes, window.HeldBytes));
            run.Release();
        }

        var job = await ShowAsync(host, made);
        var waiting = (await host.Storage.Queue.DepthsAsync(host.Time.GetUtcNow(), Cancellation)).Single(d => d.Endpoint == route.Endpoint.Id);
        using var cancelled = await host.Client.PostAsync($"/api/v1/batches/{made}/cancel", null, Cancellation);

        Assert.InRange(most.Live, 1, 5);
        Assert.InRange(most.Held, 1, FeedRule.WindowMax(5));
        Assert.InRange(waiting.Queued + waiting.Leased, 0, 5);
        Assert.InRange(job.GetProperty("input").GetProperty("read_bytes").GetInt64(), 1, 17 * (40 + FeedRule.WindowMax(5)));
        for (var left = await ShowAsync(host, made); left.GetProperty("is_active").GetBoolean(); left = await ShowAsync(host, made))
        {
            using var brief = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
            brief.CancelAfter(TimeSpan.FromMilliseconds(50));
            try
            {
                (await host.Driver.NextRunAsync(brief.Token)).Release();
            }
            catch (OperationCanceledException) when (!Cancellation.IsCancellationRequested)
            {
                // None runs any more.
            }
        }
    }

    [Fact]
    public async Task Files_of_a_folder_are_sent_as_what_they_are_and_an_input_that_changed_stops_its_job()
    {
        await using var host = await StartAsync();
        var types = new List<string?>();
        host.Add("look", GatewayHost.Program());
        host.Driver.Play = run =>
        {
            lock (types)
            {
                types.Add(run.Context.Request.ContentType);
            }

            return FakeInstance.AnswerAsync(run.Context, 200, "text/plain", "seen"u8.ToArray());
        };
        Directory.CreateDirectory(Place("pictures"));
        await File.WriteAllBytesAsync(Place("pictures/b.png"), [0x89, 0x50, 0x4E, 0x47, 1], Cancellation);
        Write("pictures/a.txt", "text");
        Write("pictures/.hidden", "no");
        Write("pictures/c.png", "");
        Write("two.jsonl", "1\n2\n");

        var made = await CreateAsync(host, new { endpoint = "look", input = new { path = Place("pictures") }, concurrency = 1 });
        var job = await EndedAsync(host, made);
        var results = await ResultsAsync(host, made);
        await host.Service<QueueLoop>().DisposeAsync();
        var second = await CreateAsync(host, new { endpoint = "look", input = new { path = Place("two.jsonl") }, concurrency = 1 });
        await UntilAsync(host, second, j => Number(j, "in_flight") == 1);
        using var paused = await host.Client.PostAsync($"/api/v1/batches/{second}/pause", null, Cancellation);
        var queued = Assert.Single(await host.Storage.Queue.ListAsync(new QueueFilter(TenantId.Default, null, QueueState.Queued, null, 10), Cancellation));
        using var dropped = await host.Client.PostAsync($"/api/v1/invocations/{queued.Item.Id}/cancel", null, Cancellation);
        await UntilAsync(host, second, j => !j.GetProperty("is_active").GetBoolean());
        Write("two.jsonl", "1\n2\n3\n");
        using var resumed = await host.Client.PostAsync($"/api/v1/batches/{second}/resume", null, Cancellation);
        var stopped = await EndedAsync(host, second);

        Assert.Equal((2, 1, 1), (Number(job, "succeeded"), Number(job, "failed"), Number(job, "skipped")));
        Assert.Equal(["a.txt", "b.png", "c.png"], results.Select(r => r.GetProperty("input").GetString()));
        Assert.Equal("seen", results[0].GetProperty("output").GetString());
        Assert.Equal(["text/plain; charset=utf-8", "image/png"], types);
        Assert.Equal("failed", stopped.GetProperty("state").GetString());
        Assert.Contains("was changed", stopped.GetProperty("reason").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_runner_goes_on_where_one_stopped_and_cuts_off_what_was_not_finished()
    {
        await using var host = await StartAsync();
        host.Add("double", GatewayHost.Program());
        Double(host);
        Write("many.jsonl", string.Concat(Enumerable.Range(1, 300).Select(i => $"{{\"n\":{i}}}\n")));
        Write("empty.jsonl", "");

        var made = await CreateAsync(host, new { endpoint = "double", input = new { path = Place("many.jsonl") }, concurrency = 7 });
        var id = new BatchId(Guid.Parse(made));
        for (var stops = 0; stops < 5; stops++)
        {
            await UntilAsync(host, made, j => Number(j, "succeeded") >= stops * 40);
            await host.Service<BatchLoop>().StopRunnersAsync();
            // As a kill leaves it: bytes that the job does not know of.
            await File.AppendAllTextAsync(ResultsFile.PathOf(host.Service<ResultsFolder>().Path, id), "{\"item\":99", Cancellation);
            host.Service<BatchLoop>().Changed((await host.Storage.Batches.FindAsync(TenantId.Default, id, Cancellation))!);
        }

        var job = await EndedAsync(host, made);
        var empty = await EndedAsync(host, await CreateAsync(host, new { endpoint = "double", input = new { path = Place("empty.jsonl") } }));

        Assert.Equal(("done", 300), (job.GetProperty("state").GetString(), Number(job, "succeeded")));
        Assert.Equal(Enumerable.Range(1, 300).Select(i => (i, 2 * i)), (await ResultsAsync(host, made)).Select(r => (r.GetProperty("item").GetInt32(), r.GetProperty("output").GetProperty("twice").GetInt32())));
        Assert.Equal(("done", 0), (empty.GetProperty("state").GetString(), Number(empty, "succeeded")));
    }

    [Fact]
    public async Task What_cannot_be_run_is_refused_with_what_is_allowed()
    {
        await using var host = await StartAsync();
        host.Add("double", GatewayHost.Program());
        Write("ok.jsonl", "1\n");
        Write("odd.bin", "1\n");
        File.CreateSymbolicLink(Place("out.jsonl"), "/etc/hostname");

        Assert.Contains("batches.folders", await RefusalAsync(host, new { endpoint = "double", input = new { path = "/etc/hostname" } }), StringComparison.Ordinal);
        Assert.Contains("batches.folders", await RefusalAsync(host, new { endpoint = "double", input = new { path = Place("out.jsonl") } }), StringComparison.Ordinal);
        Assert.Contains("batches.folders", await RefusalAsync(host, new { endpoint = "double", input = new { path = Place("../x.jsonl") } }), StringComparison.Ordinal);
        Assert.Contains("lines, csv, parquet or files", await RefusalAsync(host, new { endpoint = "double", input = new { path = Place("odd.bin") } }), StringComparison.Ordinal);
        Assert.Contains("either 'blob'", await RefusalAsync(host, new { endpoint = "double", input = new { } }), StringComparison.Ordinal);
        Assert.Contains("PUT /api/v1/blobs", await RefusalAsync(host, new { endpoint = "double", input = new { blob = "x", name = "x.csv" } }), StringComparison.Ordinal);
        Assert.Contains("1 to 1000", await RefusalAsync(host, new { endpoint = "double", input = new { path = Place("ok.jsonl") }, concurrency = 0 }), StringComparison.Ordinal);
        Assert.Contains("5%", await RefusalAsync(host, new { endpoint = "double", input = new { path = Place("ok.jsonl") }, max_failures = "few" }), StringComparison.Ordinal);
        Assert.Contains("no ready revision 'r9'", await RefusalAsync(host, new { endpoint = "double", input = new { path = Place("ok.jsonl") }, revision = "r9" }), StringComparison.Ordinal);
        Assert.Contains("no endpoint", await RefusalAsync(host, new { endpoint = "nobody", input = new { path = Place("ok.jsonl") } }), StringComparison.Ordinal);
    }

    private async Task<GatewayHost> StartAsync(bool storesQueue = true)
    {
        var host = await GatewayHost.StartAsync(new() { ["DORMOUSE_BATCHES__FOLDERS"] = _folder }, storesQueue: storesQueue);
        host.Service<QueueLoop>().Start();
        host.Service<BatchLoop>().Start();
        return host;
    }

    private static RevisionSpec Patient() => GatewayHost.Program() with { Timeout = TimeSpan.FromHours(24), StartTimeout = TimeSpan.FromHours(24), QueueTimeout = TimeSpan.FromHours(24) };

    internal static void Double(GatewayHost host) => host.Driver.Play = run => FakeInstance.AnswerAsync(
        run.Context, 200, "application/json", Encoding.UTF8.GetBytes($"{{\n \"twice\": {2 * JsonDocument.Parse(run.Body).RootElement.GetProperty("n").GetInt32()} }}\n"));

    private string Place(string name) => Path.Combine(_folder, name);

    private void Write(string name, string text) => File.WriteAllText(Place(name), text);

    internal static int Number(JsonElement job, string member) => job.GetProperty(member).GetInt32();

    private static async Task<HttpResponseMessage> PostAsync(GatewayHost host, string path, object body)
    {
        using var content = new StringContent(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");
        return await host.Client.PostAsync(path, content, Cancellation);
    }

    internal static async Task<string> CreateAsync(GatewayHost host, object request)
    {
        using var response = await PostAsync(host, "/api/v1/batches", request);
        var made = await response.JsonAsync();
        Assert.True(response.StatusCode == HttpStatusCode.Created, made.GetRawText());
        return made.GetProperty("id").GetString()!;
    }

    internal static async Task<string> RefusalAsync(GatewayHost host, object request)
    {
        using var response = await PostAsync(host, "/api/v1/batches", request);
        return (await response.JsonAsync()).GetProperty("detail").GetString()!;
    }

    private static async Task<JsonElement> ShowAsync(GatewayHost host, string id)
    {
        using var response = await host.Client.GetAsync("/api/v1/batches/" + id, Cancellation);
        return await response.JsonAsync();
    }

    internal static async Task<List<JsonElement>> ResultsAsync(GatewayHost host, string id)
    {
        var text = await host.Client.GetStringAsync(new Uri($"/api/v1/batches/{id}/results", UriKind.Relative), Cancellation);
        return [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonDocument.Parse(l).RootElement)];
    }

    /// <param name="step">Time goes on by it between two looks.</param>
    internal static Task<JsonElement> EndedAsync(GatewayHost host, string id, TimeSpan step = default) => UntilAsync(host, id, j => !j.GetProperty("is_active").GetBoolean(), step);

    private static async Task<JsonElement> UntilAsync(GatewayHost host, string id, Func<JsonElement, bool> isSo, TimeSpan step = default)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(Conditions.Patience);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        while (true)
        {
            var job = await ShowAsync(host, id);
            if (isSo(job))
            {
                return job;
            }

            Assert.False(limit.IsCancellationRequested, $"It did not come about within {Conditions.Patience.TotalSeconds} s: {job.GetRawText()}");
            if (step > TimeSpan.Zero && host.Journal.OpenCount == 0)
            {
                host.Time.Advance(step);
            }

            await tick.WaitForNextTickAsync(Cancellation);
        }
    }
}
