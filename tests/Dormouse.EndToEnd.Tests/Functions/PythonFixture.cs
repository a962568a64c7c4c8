using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Functions;

/// <summary>Apps to deploy, and calls of functions.</summary>
internal static class PythonApps
{
    /// <summary>One function of each sort.</summary>
    public const string Shop = """
        import asyncio, os, sys, time
        import dormouse

        app = dormouse.App("shop")

        @app.function(memory="192MiB", concurrency=2, idle_timeout="60s", environment={"MODE": "fast"})
        def price(item: str, count: int = 1) -> float:
            "What it costs."
            print("asked for", item)
            if item == "nothing":
                raise ValueError("nothing costs nothing")
            return 2.5 * count

        @app.function(memory="192MiB")
        def counted(until: int):
            for i in range(until):
                yield i

        @app.function(memory="192MiB", concurrency=4)
        async def slow(seconds: float) -> str:
            print("sleeping", flush=True)
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                print("cancelled", flush=True)
                raise
            return "done"
        """;

    /// <summary>The smallest that deploys: no SDK.</summary>
    public static string Plain(string word) => $$"""
        import uuid

        ME = uuid.uuid4().hex

        def handler(input):
            return {"word": "{{word}}", "got": input, "instance": ME}
        """;

    /// <summary>The test is skipped with a word when this machine has no Python that is new enough.</summary>
    public static void NeedPython()
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("python3", ["-c", "import sys; sys.exit(sys.version_info < (3, 9))"]));
            process!.WaitForExit();
            if (process.ExitCode == 0)
            {
                return;
            }
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // There is none.
        }

        Assert.Skip("There is no python3 of 3.9 or newer.");
    }

    public static async Task<FunctionCall> CallAsync(RunningServer server, string endpoint, string json, CancellationToken cancellationToken)
    {
        using var response = await server.PostAsync("/invoke/" + endpoint, JsonNode.Parse(json), cancellationToken);
        return new FunctionCall(
            response.StatusCode, await response.Content.ReadAsStringAsync(cancellationToken),
            response.Headers.GetValues("Dormouse-Invocation-Id").Single(), response.Headers.TryGetValues("Dormouse-Start", out var start) ? start.Single() : "");
    }

    public static async Task<string> LogsAsync(RunningServer server, string endpoint, CancellationToken cancellationToken) =>
        await server.Http.GetStringAsync(new Uri($"/api/v1/endpoints/{endpoint}/logs", UriKind.Relative), cancellationToken);

    /// <summary>Processes of Python workers below the server.</summary>
    public static int[] Workers(RunningServer server) =>
        [.. server.Descendants().Where(id => Processes.CommandLine(id).Contains("dormouse.runner", StringComparison.Ordinal) && !Processes.IsSandbox(id))];

    public static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");
}

/// <summary>A call of a function and its answer.</summary>
internal sealed record FunctionCall(HttpStatusCode Status, string Text, string Invocation, string Start)
{
    public JsonNode Json => JsonNode.Parse(Text) ?? throw new InvalidOperationException($"The answer is null: {Text}");

    public string Code => Json["code"]!.GetValue<string>();
}
