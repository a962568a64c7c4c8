using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Dormouse.Bench;

/// <summary>What needs no server: memory against cold starts on recorded load, and how quick the simulator is.</summary>
internal static class Simulated
{
    private static readonly string[] Traces = ["azure-functions-2021-200.csv", "AzureLLMInferenceTrace_code.csv", "azure-functions-2019-sample"];

    /// <summary>The default, a learned keep-alive, beside Knative and a fixed keep-alive of 10 minutes: at equal memory no more cold starts, and at equal cold starts no more memory. Deterministic: a busy machine changes nothing.</summary>
    public static async Task CurveAsync(Report report, string root)
    {
        foreach (var trace in Traces)
        {
            var path = Path.Combine(root, "../shared/data/traces", trace);
            if (!Path.Exists(path))
            {
                report.Note($"curve: ../shared/data/traces/{trace} is absent; left out.");
                continue;
            }

            var document = JsonNode.Parse(await RunAsync(root, "--trace", path, "--machine-memory", "1TiB", "--curve", "--output", "json"))!;
            foreach (var match in document["matches"]!.AsArray())
            {
                var (rival, cold, memory) = (match!["rival"]!.GetValue<string>(), Number(match, "cold_starts"), Number(match, "gb_seconds"));
                var same = match["at_memory"]!;
                var (ours, least) = (Number(same, "cold_starts"), match["at_cold_starts"] is { } l ? Number(l, "gb_seconds") : double.PositiveInfinity);
                var isBetter = ours < cold || least < memory;
                report.Add($"{trace}, cold starts at equal memory", $"{cold:0} of {rival}", ours, "starts", "fewer, or less memory", isBetter);
                report.Add($"{trace}, memory at equal cold starts", $"{memory:N0} of {rival}", least, "GB-s");
            }
        }
    }

    /// <summary>A day of 1,000 endpoints, 8.6 million invocations.</summary>
    public static async Task DayAsync(Report report, string root)
    {
        var clock = Stopwatch.StartNew();
        await RunAsync(root, "--profile", "steady", "--endpoints", "1000", "--rate", "100", "--duration", "24h", "--machine-memory", "1TiB", "--policy", Policy(), "--output", "json");
        report.Add("simulator, a day of 8.6 million invocations", "1,000 endpoints, the default", clock.Elapsed.TotalSeconds, "s", "<= 60", clock.Elapsed.TotalSeconds <= 60);
    }

    /// <summary>The product's own defaults.</summary>
    private static string Policy()
    {
        var file = Path.Combine(Directory.CreateTempSubdirectory("dormouse-bench-").FullName, "policy.yaml");
        File.WriteAllText(file, "name: default\n");
        return file;
    }

    private static async Task<string> RunAsync(string root, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(Path.Combine(root, "artifacts/dist/cli/dormouse"), ["simulate", .. arguments]) { RedirectStandardOutput = true })
            ?? throw new InvalidOperationException("dormouse did not start.");
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"dormouse simulate {string.Join(' ', arguments)} ended with {process.ExitCode}.");
    }

    private static double Number(JsonNode node, string name) => Convert.ToDouble(node[name]!.ToString(), CultureInfo.InvariantCulture);
}
