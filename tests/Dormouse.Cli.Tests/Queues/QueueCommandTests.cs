using System.Text.Json;
using Dormouse.Cli.Queues;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol;
using Dormouse.Protocol.Control;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Cli.Tests.Queues;

public sealed class QueueCommandTests : ServerTests
{
    [Fact]
    public async Task A_queued_call_prints_its_id_and_sends_its_terms()
    {
        HeaderDictionary? sent = null;
        Server.Handlers["digits"] = async context =>
        {
            sent = new HeaderDictionary(context.Request.Headers.ToDictionary(h => h.Key, h => h.Value));
            context.Response.StatusCode = 202;
            await context.Response.WriteAsync(JsonSerializer.Serialize(Info("queued"), ControlJson.Default.ReceiptInfo));
        };

        var result = (await Shell.RunAsync(
            "invoke", "digits", "--json", "{}", "--async", "--delay", "5m", "--time-to-live", "1h", "--attempts", "5", "--group", "cart 7", "--idempotency-key", "order 1")).Done();

        Assert.Equal("i1\n", result.Out);
        Assert.Contains("dormouse invocation result i1 --wait", result.Error, StringComparison.Ordinal);
        Assert.Equal(
            ["async", "5m", "1h", "5", "cart 7", "order 1"],
            new[] { DormouseHeaders.Mode, DormouseHeaders.Delay, DormouseHeaders.TimeToLive, DormouseHeaders.Attempts, DormouseHeaders.Group, DormouseHeaders.IdempotencyKey }.Select(h => sent![h].ToString()));
    }

    [Fact]
    public async Task Waiting_for_a_queued_call_prints_its_answer_as_if_it_had_been_called_now()
    {
        Server.Handlers["digits"] = async context =>
        {
            context.Response.StatusCode = 202;
            await context.Response.WriteAsync(JsonSerializer.Serialize(Info("queued"), ControlJson.Default.ReceiptInfo));
        };
        Server.Receipts["i1"] = Info("succeeded");
        Server.Queue = async context =>
        {
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync("""{"outputs":[1]}""");
        };

        var result = (await Shell.RunAsync("invoke", "digits", "--json", "{}", "--async", "--wait")).Done();

        Assert.Equal("{\"outputs\":[1]}\n", result.Out);
        Assert.Contains("GET /api/v1/invocations/i1?wait=60000ms", Server.Requests);
        Assert.Contains("GET /api/v1/invocations/i1/result", Server.Requests);
    }

    [Fact]
    public async Task Where_it_stands_is_shown_line_by_line()
    {
        Server.Receipts["i1"] = Info("dead", "the instance answered 503 (attempt 3 of 3)");

        var status = (await Shell.RunAsync("invocation", "status", "i1")).Done();

        Assert.StartsWith("i1 is dead\n", status.Out, StringComparison.Ordinal);
        Assert.Matches("(?m)^  attempts +3 of 3$", status.Out);
        Assert.Matches("(?m)^  reason +the instance answered 503", status.Out);
    }

    [Fact]
    public async Task A_dead_letter_is_shown_changed_and_run_anew()
    {
        var bodies = new List<string>();
        Server.Queue = async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            bodies.Add($"{context.Request.Method} {context.Request.ContentType} {await reader.ReadToEndAsync()}");
            await context.Response.WriteAsync(context.Request switch
            {
                { Method: "GET", Path.Value: var path } when path!.EndsWith("/body", StringComparison.Ordinal) => "the original",
                { Method: "GET" } => JsonSerializer.Serialize(new QueuedRequestInfo("POST", "/a?b=c", null, [["X-Size", "1"]], 12), ControlJson.Default.QueuedRequestInfo),
                _ => JsonSerializer.Serialize(
                    Info("dead") with { Queue = Info("dead").Queue! with { Edits = [new QueueEditInfo(1, "admin", DateTimeOffset.UnixEpoch, ["body", "headers"], 12)] } }, ControlJson.Default.ReceiptInfo),
            });
        };
        var file = Path.Combine(Shell.Folder, "mended.json");
        await File.WriteAllTextAsync(file, "{}", TestContext.Current.CancellationToken);

        var request = (await Shell.RunAsync("invocation", "request", "i1")).Done();
        var original = (await Shell.RunAsync("invocation", "request", "i1", "--body", "--before", "1")).Done();
        var edited = (await Shell.RunAsync("invocation", "edit", "i1", "--input", file, "--header", "X-Size: 2", "--remove-header", "X-Old", "--remove-query", "--redrive")).Done();
        var nothing = await Shell.RunAsync("invocation", "edit", "i1");

        Assert.StartsWith("POST /a?b=c\n  X-Size: 1\n  body of 12 ", request.Out, StringComparison.Ordinal);
        Assert.Equal("the original", original.Out);
        Assert.Contains("by admin: body, headers; before: dormouse invocation request i1 --before 1", edited.Out, StringComparison.Ordinal);
        Assert.Contains(bodies, b => b is "PATCH application/json; charset=utf-8 {\"headers\":{\"X-Old\":null,\"X-Size\":\"2\"},\"query\":\"\"}"
            or "PATCH application/json; charset=utf-8 {\"headers\":{\"X-Size\":\"2\",\"X-Old\":null},\"query\":\"\"}"); // A map has no order.
        Assert.Contains("PUT application/json {}", bodies);
        Assert.Contains("POST /api/v1/invocations/i1/redrive", Server.Requests);
        Assert.Equal(ExitCodes.Usage, nothing.Code);
        Assert.Contains("Nothing is to be changed", nothing.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Dead_letters_are_listed_and_redriven()
    {
        Server.Queue = context => context.Request.Path.Value!.EndsWith("redrive", StringComparison.Ordinal)
            ? context.Response.WriteAsync("""{"redriven":2}""")
            : context.Response.WriteAsync(JsonSerializer.Serialize(
                new QueueList([new QueueEntry("i1", "digits", "e1", "POST", null, 10, Info("dead", "why").Queue!)], null), ControlJson.Default.QueueList));

        var listed = (await Shell.RunAsync("queue", "list", "digits", "--state", "dead")).Done();
        var redriven = (await Shell.RunAsync("queue", "redrive", "digits", "--limit", "2")).Done();

        Assert.Matches("i1 +digits +dead +3 of 3", listed.Out);
        Assert.Equal("2 dead letters run anew\n", redriven.Out);
        Assert.Contains("GET /api/v1/queue?limit=100&endpoint=digits&state=dead", Server.Requests);
    }

    [Fact]
    public async Task Terms_of_the_queue_need_the_queue()
    {
        var result = await Shell.RunAsync("invoke", "digits", "--json", "{}", "--delay", "5m");

        Assert.Equal(ExitCodes.Usage, result.Code);
        Assert.Contains("Add --async", result.Error, StringComparison.Ordinal);
        Assert.Empty(Server.Requests);
    }

    [Fact]
    public void An_endpoints_queue_is_one_sentence()
    {
        Assert.Equal("1,200 queued (the oldest for 12 s), 2 running, 1 dead letter", QueueCommand.Sentence(new EndpointQueueInfo(1200, 2, 1, 12.3)));
        Assert.Equal("0 queued, 0 running, 3 dead letters", QueueCommand.Sentence(new EndpointQueueInfo(0, 0, 3, null)));
    }

    [Fact]
    public async Task Of_each_queue_its_length_and_the_age_of_its_oldest_are_shown()
    {
        Server.Queue = context => context.Response.WriteAsync(JsonSerializer.Serialize(
            new QueueDepthList([new("digits", "e1", new(1200, 2, 1, 10_800.4)), new("later", "e2", new(3, 0, 0, null))]), ControlJson.Default.QueueDepthList));

        var shown = (await Shell.RunAsync("queue", "depth")).Done();
        var one = (await Shell.RunAsync("queue", "depth", "digits", "--output", "json")).Done();

        Assert.Matches("digits +1,200 +3 h +2 +1", shown.Out);
        Assert.Matches("later +3 +0 +0", shown.Out);
        Assert.Equal(10_800.4, JsonDocument.Parse(one.Out).RootElement.GetProperty("endpoints")[0].GetProperty("queue").GetProperty("oldest_seconds").GetDouble());
        Assert.Contains("GET /api/v1/queue/depths?endpoint=digits", Server.Requests);
    }

    private static ReceiptInfo Info(string state, string? reason = null) => new()
    {
        Id = "i1",
        Endpoint = "digits",
        EndpointId = "e1",
        Revision = "r1",
        Instance = "",
        Outcome = "completed",
        StartedAt = DateTimeOffset.UnixEpoch,
        Start = "warm",
        Price = "0",
        Currency = "USD",
        Queue = new QueueInfo { State = state, AcceptedAt = DateTimeOffset.UnixEpoch, Attempts = 3, AttemptsMax = 3, Priority = "normal", Reason = reason },
    };
}
