using System.Formats.Tar;
using System.Text.Json;
using System.Text.RegularExpressions;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Cli.Tests.Batches;

public sealed class BatchCommandTests : ServerTests
{
    private const string Results = """{"item":1,"input":"line 1","output":2}""" + "\n";

    private readonly List<BatchRequest> _made = [];

    /// <summary>How the job stands, from how it stands when it is done.</summary>
    private Func<BatchInfo, BatchInfo> _job = job => job;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        Server.Usage = Usage(invocations: 4, pico: 8_000);
        Server.Batches = AnswerAsync;
    }

    [Fact]
    public async Task A_file_is_uploaded_run_and_its_results_are_saved()
    {
        var input = Shell.Write("in.jsonl", "1\n2\n");
        var output = Path.Combine(Shell.Folder, "out", "results.jsonl");

        var run = (await Shell.RunAsync("batch", "iris", "--input", input, "--output", output, "--max-failures", "5%", "--concurrency", "7", "--revision", "r3")).Done();

        var request = Assert.Single(_made);
        Assert.Equal(("iris", "in.jsonl", "5%", 7, "r3"), (request.Endpoint, request.Input.Name, request.MaxFailures, request.Concurrency, request.Revision));
        Assert.Contains($"PUT /api/v1/blobs/{request.Input.Blob}", Server.Requests);
        Assert.Equal(Results, await File.ReadAllTextAsync(output, TestContext.Current.CancellationToken));
        Assert.StartsWith("b1 is done: in.jsonl through iris r3\n", run.Out, StringComparison.Ordinal);
        Assert.Contains("About 2 items. Cost: about 0.000000004", run.Error, StringComparison.Ordinal);
        Assert.Contains("as 4 calls of the last 30 days did on average", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Output_names_the_file_and_the_format_and_may_say_both()
    {
        var input = Shell.Write("in.csv", "a\n1\n");
        var output = Path.Combine(Shell.Folder, "results.csv");

        var both = (await Shell.RunAsync("batch", "iris", "--input", input, "--output", output, "--output", "json")).Done();
        var waited = (await Shell.RunAsync("batch", "wait", "b1", "-o", "json")).Done();
        var listed = (await Shell.RunAsync("batch", "list", "--output", "json")).Done();

        Assert.Equal(("b1", "b1"), (JsonDocument.Parse(both.Out).RootElement.GetProperty("id").GetString(), JsonDocument.Parse(waited.Out).RootElement.GetProperty("id").GetString()));
        Assert.Equal("b1", JsonDocument.Parse(listed.Out).RootElement.GetProperty("batches")[0].GetProperty("id").GetString());
        Assert.True(File.Exists(output));
        Assert.Contains("GET /api/v1/batches/b1/results?format=csv", Server.Requests);
        Assert.False(File.Exists(Path.Combine(Shell.Folder, "json")));
    }

    [Fact]
    public async Task An_input_in_a_bucket_is_named_and_not_sent()
    {
        (await Shell.RunAsync("batch", "digits", "--input", "s3://scans/2026-11/", "--detach")).Done();

        var request = Assert.Single(_made);
        Assert.Equal(("s3://scans/2026-11/", null), (request.Input.Path, request.Input.Blob));
        Assert.DoesNotContain(Server.Requests, r => r.Contains("/blobs/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_folder_is_sent_as_one_archive_in_order_of_name_and_the_same_again_is_not_sent_twice()
    {
        Shell.Write("scans/b.png", [1, 2]);
        Shell.Write("scans/a.png", [3]);
        Shell.Write("scans/notes.txt", "x");
        Shell.Write("scans/.hidden", "x");
        var pattern = Path.Combine(Shell.Folder, "scans", "*.png");

        (await Shell.RunAsync("batch", "digits", "--input", pattern, "--detach")).Done();
        var again = (await Shell.RunAsync("batch", "digits", "--input", pattern, "--detach")).Done();

        Assert.Equal("b1\n", again.Out);
        Assert.Equal(("files", _made[0].Input.Blob), (_made[1].Input.Format, _made[1].Input.Blob));
        Assert.Single(Server.Requests, r => r.StartsWith("PUT /api/v1/blobs/", StringComparison.Ordinal));
        var names = new List<string>();
        await using var archive = new TarReader(new MemoryStream(Server.Blob(_made[0].Input.Blob!)));
        while (await archive.GetNextEntryAsync(cancellationToken: TestContext.Current.CancellationToken) is { } entry)
        {
            names.Add($"{entry.Name} {entry.Length}");
        }

        Assert.Equal(["a.png 1", "b.png 2"], names);
    }

    [Fact]
    public async Task On_a_terminal_it_is_asked_and_no_means_no()
    {
        var input = Shell.Write("in.jsonl", "1\n");
        Server.Usage = Usage(invocations: 0, pico: 0);
        (Shell.Piped, Shell.Typed) = (null, "n\n");
        var no = await Shell.RunAsync("batch", "iris", "--input", input, "--detach");
        Shell.Typed = "y\n";
        (await Shell.RunAsync("batch", "iris", "--input", input, "--detach")).Done();

        Assert.Equal(ExitCodes.Failed, no.Code);
        Assert.Contains("What it will cost is not known", no.Error, StringComparison.Ordinal);
        Assert.Contains("Begin? [y/N]", no.Error, StringComparison.Ordinal);
        Assert.Single(_made);
    }

    [Fact]
    public async Task What_cannot_be_an_input_is_refused_before_anything_is_sent()
    {
        var empty = Directory.CreateDirectory(Path.Combine(Shell.Folder, "empty")).FullName;
        var file = Shell.Write("in.jsonl", "1\n");

        foreach (var (arguments, code, word) in ((string[], int, string)[])[
            (["--input", Path.Combine(Shell.Folder, "in.jsnl")], ExitCodes.Refused, "no such file or folder. Did you mean 'in.jsonl'?"), (["--input", empty], ExitCodes.Refused, "there are no files"),
            (["--input", "/dev/null"], ExitCodes.Refused, "is a device"), (["--input", file, "--format", "files"], ExitCodes.Usage, "is a file"),
            (["--input", empty, "--format", "csv"], ExitCodes.Usage, "is for a file"), (["--input", file, "--detach", "--output", "x"], ExitCodes.Usage, "--detach does not stay"), ([], ExitCodes.Usage, "--input")])
        {
            var refused = await Shell.RunAsync(["batch", "iris", .. arguments]);

            Assert.Equal(code, refused.Code);
            Assert.Contains(word, refused.Error, StringComparison.Ordinal);
        }

        Assert.Empty(_made);
    }

    [Fact]
    public async Task While_a_job_runs_its_rate_its_cost_and_what_is_left_are_told()
    {
        var begun = Shell.Time.GetUtcNow();
        // Two items a second, of which there are 200.
        _job = job =>
        {
            var seconds = (long)(Shell.Time.GetUtcNow() - begun).TotalSeconds;
            return seconds >= 100
                ? job with { Succeeded = 200, Input = job.Input with { Bytes = 400, ReadBytes = 400 } }
                : job with { State = "running", IsActive = true, Succeeded = 2 * seconds, Price = $"0.{seconds:000}", Input = job.Input with { Bytes = 400, ReadBytes = 4 * seconds } };
        };

        var running = Shell.RunAsync("batch", "wait", "b1");
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
        while (!running.IsCompleted)
        {
            Shell.Time.Advance(TimeSpan.FromMilliseconds(250));
            await tick.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }

        var lines = (await running).Done().Error.Split('\n').Where(l => l.Contains(" left", StringComparison.Ordinal)).ToList();
        Assert.InRange(lines.Count, 5, 10);
        foreach (var line in lines)
        {
            var told = Regex.Match(line, @"^(\d+) %: (\d+) succeeded, 0 failed, ([\d.]+)/s, 0\.(\d+) USD, about (\d+) s left$");
            Assert.True(told.Success, line);
            double Number(int group) => double.Parse(told.Groups[group].Value, System.Globalization.CultureInfo.InvariantCulture);
            Assert.InRange(Number(3), 1.5, 2.5);
            // One per cent is one second here.
            Assert.InRange(Number(1) + Number(5), 90, 110);
            Assert.Equal(Number(2), 2 * Number(4));
        }
    }

    [Fact]
    public async Task A_job_is_shown_changed_and_its_results_printed()
    {
        var shown = (await Shell.RunAsync("batch", "show", "b1")).Done();
        var printed = (await Shell.RunAsync("batch", "results", "b1")).Done();
        (await Shell.RunAsync("batch", "pause", "b1")).Done();
        (await Shell.RunAsync("batch", "resume", "b1", "--max-failures", "9")).Done();
        (await Shell.RunAsync("batch", "cancel", "b1")).Done();
        var deleted = (await Shell.RunAsync("batch", "delete", "b1", "--output", "json")).Done();

        Assert.Contains("  items         1 succeeded, 0 failed\n", shown.Out, StringComparison.Ordinal);
        Assert.Equal(Results, printed.Out);
        Assert.Equal(("b1", "deleted"), (deleted.Json.GetProperty("name").GetString(), deleted.Json.GetProperty("done").GetString()));
        foreach (var request in (string[])["POST /api/v1/batches/b1/pause", "POST /api/v1/batches/b1/resume", "POST /api/v1/batches/b1/cancel", "DELETE /api/v1/batches/b1"])
        {
            Assert.Contains(request, Server.Requests);
        }
    }

    private static UsageReport Usage(long invocations, long pico)
    {
        var row = new UsageRow("iris", "e1", null, invocations, 0, 0, 1, 1, 1, 1, "1", pico.ToString(System.Globalization.CultureInfo.InvariantCulture), "0", "on_demand");
        return new UsageReport { From = DateTimeOffset.UnixEpoch, To = DateTimeOffset.UnixEpoch, Currency = "USD", Rows = [row], Total = row };
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var path = context.Request.Path.Value!;
        if (path.EndsWith("/results", StringComparison.Ordinal))
        {
            await context.Response.WriteAsync(Results);
            return;
        }

        if (context.Request.Method == "DELETE")
        {
            context.Response.StatusCode = 204;
            return;
        }

        if (path.EndsWith("/batches", StringComparison.Ordinal) && context.Request.Method == "POST")
        {
            _made.Add((await JsonSerializer.DeserializeAsync(context.Request.Body, ControlJson.Default.BatchRequest))!);
            context.Response.StatusCode = 201;
        }

        context.Response.ContentType = "application/json";
        var job = new BatchInfo
        {
            Id = "b1",
            Endpoint = "iris",
            EndpointId = "e1",
            Revision = "r3",
            Input = new BatchInputInfo("uploaded", "in.jsonl", "lines", 4, 4),
            MaxFailures = "10%",
            State = "done",
            Succeeded = 1,
            PricePico = "8000",
            Price = "0.000000008",
            Currency = "USD",
            CreatedAt = DateTimeOffset.UnixEpoch,
        };
        await context.Response.WriteAsync(path.EndsWith("/batches", StringComparison.Ordinal) && context.Request.Method == "GET"
            ? JsonSerializer.Serialize(new BatchList([job], null), ControlJson.Default.BatchList)
            : JsonSerializer.Serialize(_job(job), ControlJson.Default.BatchInfo));
    }
}
