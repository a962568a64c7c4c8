using System.Diagnostics;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Cli;

public sealed class QuickstartTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Quickstart_shows_the_main_job_and_the_second_run_reuses_everything()
    {
        using var files = new TemporaryFolder();
        var environment = new Dictionary<string, string> { ["DORMOUSE_DATA"] = Path.Combine(files.Root, "data") };

        var first = await CommandRun.AnyAsync(environment, ["quickstart", "--once"], Cancelled);
        var second = await CommandRun.AnyAsync(environment, ["quickstart", "--once"], Cancelled);

        first.AssertExit(0);
        second.AssertExit(0);
        Assert.All([first, second], run =>
        {
            Assert.Contains("warm", run.Output, StringComparison.Ordinal);
            Assert.Contains("cold (", run.Output, StringComparison.Ordinal);
            Assert.Contains("cold (from zero)", run.Output, StringComparison.Ordinal);
            Assert.Contains("7 (", run.Output, StringComparison.Ordinal);
            Assert.Contains("USD", run.Output, StringComparison.Ordinal);
            Assert.Contains("  curl -H ", run.Output, StringComparison.Ordinal);
        });
        Assert.Contains("digits r1: ", first.Error, StringComparison.Ordinal);
        Assert.Contains("digits is deployed already", second.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_serves_on_its_line_to_try_answers_and_Ctrl_C_ends_it_well()
    {
        using var files = new TemporaryFolder();
        var data = Path.Combine(files.Root, "data");
        var start = new ProcessStartInfo(Checkout.Dormouse, ["quickstart"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["DORMOUSE_DATA"] = data;
        foreach (var name in (string[])["DORMOUSE_SERVER", "DORMOUSE_API_KEY", "DORMOUSE_ADMIN_KEY"])
        {
            start.Environment.Remove(name);
        }

        using var process = Process.Start(start) ?? throw new InvalidOperationException("The command did not start.");
        try
        {
            var error = process.StandardError.ReadToEndAsync(Cancelled);
            var shown = new List<string>();
            while (!shown.Exists(IsCurl) && await process.StandardOutput.ReadLineAsync(Cancelled) is { } line)
            {
                shown.Add(line);
            }

            var curl = shown.Find(IsCurl);
            Assert.True(curl is not null, string.Join('\n', shown));
            if (File.Exists("/usr/bin/curl"))
            {
                using var shell = Process.Start(new ProcessStartInfo("bash", ["-c", curl]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
                var answer = JsonNode.Parse(await shell.StandardOutput.ReadToEndAsync(Cancelled))!;
                Assert.Equal("7", answer["labels"]![0]!["label"]!.GetValue<string>());
            }

            Processes.Signal(process.Id, "INT");
            await process.StandardOutput.ReadToEndAsync(Cancelled);
            await process.WaitForExitAsync(Cancelled);

            Assert.True(process.ExitCode == 0, await error);
            Assert.Contains("Serving at http://127.0.0.1:", await error, StringComparison.Ordinal);
            Assert.False(File.Exists(Path.Combine(data, "server.json")));
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }

        static bool IsCurl(string line) => line.StartsWith("  curl ", StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_json_output_it_is_one_document_with_the_receipt_of_each_call()
    {
        using var files = new TemporaryFolder();
        var environment = new Dictionary<string, string> { ["DORMOUSE_DATA"] = Path.Combine(files.Root, "data") };

        var run = await CommandRun.AnyAsync(environment, ["quickstart", "--once", "--output", "json"], Cancelled);

        run.AssertExit(0);
        var calls = run.Json["calls"]!.AsArray();
        Assert.Equal(["cold", "warm", "warm", "warm", "cold"], calls.Select(c => c!["receipt"]!["start"]!.GetValue<string>()));
        Assert.Equal(["first", "idle"], calls.Select(c => c!["receipt"]!["cause"]?.GetValue<string>()).OfType<string>());
        Assert.All(calls, c => Assert.StartsWith("7 (", c!["answer"]!.GetValue<string>(), StringComparison.Ordinal));
        Assert.EndsWith("/v2/models/digits/infer", run.Json["url"]!.GetValue<string>(), StringComparison.Ordinal);
    }
}
