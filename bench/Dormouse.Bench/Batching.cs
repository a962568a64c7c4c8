using System.Globalization;
using System.Text.Json.Nodes;

namespace Dormouse.Bench;

/// <summary>Calls a second with and without shared runs, from 8 to 32 connections. DORMOUSE_BENCH_SECONDS shortens each measurement, for trying the leg out.</summary>
internal static class Batching
{
    private const int RowsMax = 16;

    private static readonly int[] Connections = [8, 16, 32];

    private static readonly (string Name, JsonObject? Settings)[] Ways =
    [
        ("off", null),
        ("batch_max 16", new JsonObject { ["batch_max"] = RowsMax }),
        ("batch_max 16, 1 run", new JsonObject { ["batch_max"] = RowsMax, ["concurrency"] = 1 }),
        ("batch_max 16, batch_delay 2ms", new JsonObject { ["batch_max"] = RowsMax, ["batch_delay"] = "2ms" }),
    ];

    private static readonly double Seconds =
        double.TryParse(Environment.GetEnvironmentVariable("DORMOUSE_BENCH_SECONDS"), NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) ? seconds : 6;

    public static async Task RunAsync(Report report, string root, IReadOnlyList<Subject> subjects)
    {
        foreach (var subject in subjects)
        {
            // One turn each, over and over, would hide less of a noisy machine; a server of its own each hides less of one way's heat from the next.
            foreach (var (name, settings) in Ways)
            {
                await using var product = await Product.StartAsync(root, Fresh.Folder());
                try
                {
                    await product.DeployAsync(subject.Name, subject.Path, settings: settings);
                }
                catch (InvalidOperationException refused) when (refused.Message.Contains("cannot share a run", StringComparison.Ordinal))
                {
                    report.Note($"{subject.Name} cannot be batched: {Reason(refused.Message)}");
                    break;
                }

                await MeasureAsync(report, product, subject, name);
            }
        }
    }

    private static async Task MeasureAsync(Report report, Product product, Subject subject, string name)
    {
        await Load.RunAsync(Request, Connections[^1], Seconds);
        foreach (var connections in Connections)
        {
            var (perSecond, times) = await Load.RunAsync(Request, connections, Seconds);
            var leg = string.Create(CultureInfo.InvariantCulture, $"batching, binary, {connections} connections");
            report.Add(leg, $"{subject.Name} {name}", perSecond, "req/s");
            report.Add(leg + ", p99", $"{subject.Name} {name}", times.P99, "ms");
        }

        if (name != Ways[0].Name)
        {
            report.Add("batching, rows of a run, mean", $"{subject.Name} {name}", await MeanRowsAsync(product, subject), "rows");
        }

        HttpRequestMessage Request() => subject.BinaryRequest(product.Infer(subject.Name), product.Key);
    }

    private static async Task<double> MeanRowsAsync(Product product, Subject subject)
    {
        var statistics = (await product.ApiAsync(HttpMethod.Get, $"/v2/models/{subject.Name}/stats"))!["model_stats"]![0]!;
        return statistics["inference_count"]!.GetValue<double>() / statistics["execution_count"]!.GetValue<double>();
    }

    private static string Reason(string problem)
    {
        var from = problem.IndexOf("cannot share a run: ", StringComparison.Ordinal) + "cannot share a run: ".Length;
        var to = problem.IndexOf(" Leave batch_max out", from, StringComparison.Ordinal);
        return to < 0 ? problem[from..] : problem[from..to];
    }
}
