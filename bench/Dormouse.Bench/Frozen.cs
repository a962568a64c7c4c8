using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Dormouse.Bench;

/// <summary>How long the first answer of a frozen instance takes.</summary>
internal static class Frozen
{
    private const int Runs = 100;
    private const double ThawMax = 2;

    public static async Task RunAsync(Report report, string root)
    {
        foreach (var (name, code) in PythonStarts.Handlers.Where(h => h.Name != "numpy"))
        {
            if (!await PythonStarts.CanRunAsync(code))
            {
                report.Note($"'{name}' does not run here: it is not measured. The packages python3-numpy, python3-sklearn and python3-torch are needed.");
                continue;
            }

            await using var product = await PythonStarts.ServeAsync(root, code, "0B", new JsonObject { ["frozen_for"] = "10m" }, idleTimeout: "0s");
            await PythonStarts.CallAsync(product);
            var (all, thaws) = (new List<double>(), new List<double>());
            for (var i = 0; i < Rounds.Of(Runs); i++)
            {
                await UntilFrozenAsync(product);
                var clock = Stopwatch.StartNew();
                var (start, timing) = await PythonStarts.CallAsync(product);
                all.Add(clock.Elapsed.TotalMilliseconds);
                if (!start.Contains("rung=thaw", StringComparison.Ordinal))
                {
                    throw new InvalidOperationException($"A frozen instance answered with '{start}'.");
                }

                var part = timing.Split(',', StringSplitOptions.TrimEntries).Single(entry => entry.StartsWith("start;dur=", StringComparison.Ordinal));
                thaws.Add(double.Parse(part["start;dur=".Length..], CultureInfo.InvariantCulture));
            }

            var (thaw, answer) = (new Samples(thaws), new Samples(all));
            report.Add("thaw, from the decision until it serves, p50", name, thaw.P50, "ms", $"<= {ThawMax}", thaw.P50 <= ThawMax);
            report.Add("thaw, from the decision until it serves, p95", name, thaw.P95, "ms");
            report.Add("thaw, from the decision until it serves, p99", name, thaw.P99, "ms");
            report.Add("thaw, request to answer, p50", name, answer.P50, "ms");
            report.Add("thaw, request to answer, p95", name, answer.P95, "ms");
            report.Add("thaw, request to answer, p99", name, answer.P99, "ms");
        }
    }

    private static async Task UntilFrozenAsync(Product product)
    {
        var clock = Stopwatch.StartNew();
        while ((await product.ApiAsync(HttpMethod.Get, "/api/v1/endpoints/function"))!["instances"]!.AsArray() is not [{ } instance] || instance["state"]!.GetValue<string>() != "frozen")
        {
            if (clock.Elapsed.TotalSeconds > 30)
            {
                throw new InvalidOperationException("The instance was not frozen within 30 s; 'dormouse doctor' says whether this machine can.");
            }

            await Task.Delay(10);
        }
    }
}
