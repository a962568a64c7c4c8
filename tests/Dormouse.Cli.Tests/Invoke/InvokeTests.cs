using System.Text;
using Dormouse.Cli.Invoke;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Cli.Tests.Invoke;

public sealed class InvokeTests : ServerTests
{
    private const string Labels = """{"labels":[{"label":"7","index":7,"score":0.9981},{"label":"1","index":1,"score":0.0012}]}""";

    [Fact]
    public async Task A_picture_comes_back_as_labels_with_what_it_cost()
    {
        string? sentType = null;
        Server.Handlers["digits"] = async context =>
        {
            sentType = context.Request.ContentType;
            await AnswerAsync(context, "cold; cause=first; rung=pool", "queue;dur=0.1, start;dur=2.9, load;dur=0.4, run;dur=0.3", Labels);
        };
        Server.Receipts["i1"] = Receipt("cold", "first");
        var picture = Shell.Write("seven.dat", [0x89, 0x50, 0x4E, 0x47, 1, 2, 3]);

        var result = (await Shell.RunAsync("invoke", "digits", "--file", picture)).Done();

        Assert.Equal("7  0.998   1  0.001\n", result.Out);
        Assert.Equal("cold (first call): queue 0.1 · start 2.9 · load 0.4 · run 0.3 ms · billed 1 ms × 512 MiB = 0.000000008 USD\n", result.Error);
        Assert.Equal("image/png", sentType);
        Assert.Contains("POST /invoke/digits", Server.Requests);
    }

    [Theory]
    [InlineData("--file")]
    [InlineData("--json")]
    public async Task Deadline_and_priority_are_told_to_the_server(string kind)
    {
        (string? Deadline, string? Priority) sent = default;
        Server.Handlers["digits"] = async context =>
        {
            sent = (context.Request.Headers["Dormouse-Deadline"], context.Request.Headers["Dormouse-Priority"]);
            await AnswerAsync(context, "warm", "run;dur=0.3", Labels);
        };
        var request = Shell.Write("request.json", "{}");

        (await Shell.RunAsync("invoke", "digits", kind, kind == "--json" ? "@" + request : request, "--deadline", "500ms", "--priority", "high")).Done();
        var wrong = await Shell.RunAsync("invoke", "digits", kind, "@" + request, "--priority", "urgent");

        Assert.Equal(("500ms", "high"), sent);
        Assert.Equal(ExitCodes.Usage, wrong.Code);
    }

    [Theory]
    [InlineData("Accept", "text/event-stream")]
    [InlineData("Authorization", "Bearer other")]
    [InlineData("Content-Type", "text/csv")]
    [InlineData("X-Order", "7")]
    public async Task A_header_of_any_kind_goes_with_an_inference_request(string name, string value)
    {
        string? sent = null;
        Server.Handlers["digits"] = async context =>
        {
            sent = context.Request.Headers[name];
            await AnswerAsync(context, "warm", "run;dur=0.3", Labels);
        };

        (await Shell.RunAsync("invoke", "digits", "--json", "{}", "--header", $"{name}: {value}")).Done();

        Assert.Equal(value, sent);
    }

    [Fact]
    public async Task Empty_input_says_how_a_function_without_arguments_is_called()
    {
        var refused = await Shell.RunAsync("invoke", "tick");

        Assert.Equal(ExitCodes.Usage, refused.Code);
        Assert.Contains("--json '{}'", refused.Error, StringComparison.Ordinal);
        Assert.Empty(Server.Requests);
    }

    [Theory]
    [InlineData("../../api/v1/endpoints")]
    [InlineData("../other")]
    [InlineData("..")]
    [InlineData("a/../../other")]
    [InlineData("%2e%2e/other")]
    [InlineData("..\\other")]
    public async Task A_path_cannot_leave_the_endpoint(string path)
    {
        Server.Handlers["other"] = context => context.Response.WriteAsync("other");

        var result = await Shell.RunAsync("invoke", "digits", "--path", path);

        Assert.Equal(ExitCodes.Usage, result.Code);
        Assert.Contains("leads out of the address of 'digits'", result.Error, StringComparison.Ordinal);
        Assert.Empty(Server.Requests);
    }

    [Theory]
    [InlineData("a/../b?x=../c", "GET /invoke/digits/b?x=../c")]
    [InlineData("", "GET /invoke/digits")]
    [InlineData("?x=1", "GET /invoke/digits?x=1")]
    public async Task A_path_within_the_endpoint_is_asked_for(string path, string request)
    {
        Server.Handlers["digits"] = context => context.Response.WriteAsync("fine");

        (await Shell.RunAsync("invoke", "digits", "--path", path)).Done();

        Assert.Equal(request, Assert.Single(Server.Requests));
    }

    [Fact]
    public async Task A_mistyped_endpoint_is_answered_with_the_one_that_may_have_been_meant()
    {
        (await Shell.RunAsync("deploy", Shell.Write("digits.onnx", "model"))).Done();

        var near = await Shell.RunAsync("invoke", "digit", "--json", "{}");
        Shell.Environment["DORMOUSE_API_KEY"] = "may-only-invoke";
        var unknown = await Shell.RunAsync("invoke", "digit", "--json", "{}");

        Assert.Equal((ExitCodes.NotFound, ExitCodes.NotFound), (near.Code, unknown.Code));
        Assert.Equal("error: There is no endpoint 'digit'. Did you mean 'digits'?\n", near.Error);
        Assert.Equal("error: There is no endpoint 'digit'.\n", unknown.Error);
    }

    [Fact]
    public async Task A_warm_call_names_only_its_run_and_a_key_without_receipts_gets_no_price()
    {
        Server.Handlers["digits"] = context => AnswerAsync(context, "warm", "run;dur=0.2", Labels);

        var result = (await Shell.RunAsync("invoke", "digits", "--file", Shell.Write("a.txt", "x"))).Done();

        Assert.Equal("warm: run 0.2 ms\n", result.Error);
    }

    [Theory]
    [InlineData(new[] { "--json", "{\"inputs\":[]}" }, "", "{\"inputs\":[]}")]
    [InlineData(new[] { "--json", "@request.json" }, "", "{\"file\":1}")]
    [InlineData(new string[0], "{\"piped\":1}", "{\"piped\":1}")]
    [InlineData(new[] { "--json", "-" }, "{\"piped\":2}", "{\"piped\":2}")]
    public async Task Inference_requests_come_from_text_file_or_standard_input(string[] options, string piped, string expected)
    {
        var file = Shell.Write("request.json", "{\"file\":1}");
        Shell.Piped = piped;
        Server.Handlers["iris"] = async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            await AnswerAsync(context, "warm", "run;dur=1", await reader.ReadToEndAsync());
        };

        var result = (await Shell.RunAsync(["invoke", "iris", .. options.Select(o => o.Replace("request.json", file, StringComparison.Ordinal))])).Done();

        Assert.Equal(expected + "\n", result.Out);
        Assert.Contains("POST /v2/models/iris/infer", Server.Requests);
    }

    [Fact]
    public async Task A_revision_can_be_named()
    {
        Server.Handlers["iris"] = context => AnswerAsync(context, "warm", "run;dur=1", "{}");

        (await Shell.RunAsync("invoke", "iris", "--json", "{}", "--revision", "r3")).Done();

        Assert.Contains("POST /v2/models/iris/versions/3/infer", Server.Requests);
    }

    [Fact]
    public async Task A_tag_names_a_revision_with_any_form_of_request()
    {
        Server.Handlers["iris"] = context => context.Response.WriteAsync($"{context.Request.Path} {context.Request.Headers["Dormouse-Revision"]}");

        Assert.Equal("/v2/models/iris/versions/next/infer ", (await Shell.RunAsync("invoke", "iris", "--json", "{}", "--revision", "next")).Done().Out);
        Assert.Equal("/invoke/iris/a next", (await Shell.RunAsync("invoke", "iris", "--path", "a", "--revision", "next")).Done().Out);
    }

    [Fact]
    public async Task Path_method_and_headers_reach_the_handler()
    {
        Server.Handlers["app"] = context => context.Response.WriteAsync($"{context.Request.Method} {context.Request.Path}{context.Request.QueryString} {context.Request.Headers["X-A"]}");

        Assert.Equal("GET /invoke/app/a/b?c=d 1:2", (await Shell.RunAsync("invoke", "app", "--path", "/a/b?c=d", "--header", "X-A: 1:2")).Done().Out);
        Assert.Equal("DELETE /invoke/app ", (await Shell.RunAsync("invoke", "app", "--method", "delete")).Done().Out);
    }

    [Fact]
    public async Task Bytes_pass_unchanged()
    {
        Server.Handlers["echo"] = async context =>
        {
            context.Response.ContentType = "application/octet-stream";
            await context.Response.Body.WriteAsync("raw \n bytes"u8.ToArray());
        };

        Assert.Equal("raw \n bytes", (await Shell.RunAsync("invoke", "echo", "--path", "/")).Done().Out);
    }

    [Fact]
    public async Task Json_output_holds_answer_and_receipt()
    {
        Server.Handlers["digits"] = context => AnswerAsync(context, "cold; cause=idle", "run;dur=0.3", Labels);
        Server.Receipts["i1"] = Receipt("cold", "idle");

        var result = (await Shell.RunAsync("invoke", "digits", "--json", "{}", "--output", "json")).Done();

        Assert.Equal("7", result.Json.GetProperty("answer").GetProperty("labels")[0].GetProperty("label").GetString());
        Assert.Equal(8333, result.Json.GetProperty("receipt").GetProperty("price_pico").GetInt64());
        Assert.Equal("i1", result.Json.GetProperty("invocation_id").GetString());
        Assert.Empty(result.Error);
    }

    [Theory]
    [InlineData("endpoint_not_found", ExitCodes.NotFound)]
    [InlineData("input_invalid", ExitCodes.Refused)]
    [InlineData("concurrency_limit_reached", ExitCodes.Refused)]
    [InlineData("worker_crashed", ExitCodes.Failed)]
    [InlineData("cold_start_timeout", ExitCodes.Failed)]
    public async Task A_problem_ends_with_the_exit_code_of_its_kind(string code, int exitCode)
    {
        Server.Handlers["digits"] = context => FakeServer.ProblemAsync(context, ProblemCode.All[code], "What happened, and what to do.");

        var result = await Shell.RunAsync("invoke", "digits", "--json", "{}");

        Assert.Equal(exitCode, result.Code);
        Assert.Equal("error: What happened, and what to do.\n", result.Error);
        Assert.Empty(result.Out);
    }

    [Fact]
    public async Task A_problem_is_a_document_on_standard_error_with_json_output()
    {
        Server.Handlers["digits"] = context => FakeServer.ProblemAsync(context, ProblemCode.InputInvalid, "Input 'x' is wrong.");

        var result = await Shell.RunAsync("invoke", "digits", "--json", "{}", "-o", "json");

        Assert.Equal("input_invalid", result.ErrorJson.GetProperty("code").GetString());
        Assert.Empty(result.Out);
    }

    [Fact]
    public async Task Nothing_to_send_is_a_usage_error()
    {
        Shell.Piped = null;

        var result = await Shell.RunAsync("invoke", "digits");

        Assert.Equal(ExitCodes.Usage, result.Code);
        Assert.Contains("give --file FILE or --json TEXT", result.Error, StringComparison.Ordinal);
        Assert.Empty(Server.Requests);
    }

    [Theory]
    [InlineData(0, "0.000000000")]
    [InlineData(8_333, "0.000000008")]
    [InlineData(120, "0.000000000120")]
    [InlineData(1_234_567_890_123_456, "1234.567890123")]
    public void A_price_never_reads_as_nothing_when_it_is_something(long pico, string expected) => Assert.Equal(expected, InvokeReport.Price(pico));

    [Theory]
    [InlineData("a.bmp", "BM......", "image/bmp")]
    [InlineData("a.bin", "RIFF....WEBP", "image/webp")]
    [InlineData("a.bin", "RIFF....WAVE", "audio/wav")]
    [InlineData("a.json", "{}", "application/json")]
    [InlineData("BM.txt", "BM is text", "text/plain; charset=utf-8")]
    [InlineData("a", "", "application/octet-stream")]
    public void The_media_type_comes_from_the_content_then_the_name(string name, string head, string expected) =>
        Assert.Equal(expected, MediaTypes.Of(Encoding.ASCII.GetBytes(head), name));

    private static async Task AnswerAsync(HttpContext context, string start, string timing, string body)
    {
        context.Response.Headers["Dormouse-Invocation-Id"] = "i1";
        context.Response.Headers["Dormouse-Start"] = start;
        context.Response.Headers["Server-Timing"] = timing;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(body);
    }

    private static ReceiptInfo Receipt(string start, string? cause) => new()
    {
        Id = "i1",
        Endpoint = "digits",
        EndpointId = "e",
        Revision = "r1",
        Instance = "1",
        Outcome = "completed",
        Status = 200,
        StartedAt = DateTimeOffset.UnixEpoch,
        Start = start,
        Cause = cause,
        QueueMs = 0.1,
        StartMs = 2.9,
        LoadMs = 0.4,
        RunMs = 0.3,
        MemoryMib = 512,
        BilledMs = 1,
        PricePico = 8333,
        Price = "0.000000008333",
        Currency = "USD",
    };
}
