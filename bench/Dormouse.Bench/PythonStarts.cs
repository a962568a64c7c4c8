using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Dormouse.Bench;

/// <summary>How long the first answer of a Python function from zero takes: a pooled process that imports, and a fork of a template, beside a plain interpreter that does the same.</summary>
internal static class PythonStarts
{
    private const int Runs = 100;
    private const int PlainRuns = 20;
    private const string Interpreter = "/usr/bin/python3";

    private static readonly (string Name, string Code)[] Handlers =
    [
        ("empty handler", "def handler(input):\n    return input\n"),
        ("numpy + scikit-learn, forest", """
            import numpy
            import sklearn.ensemble
            numbers = numpy.random.default_rng(7).random((500, 10))
            forest = sklearn.ensemble.RandomForestClassifier(n_estimators=50, random_state=7).fit(numbers, numbers[:, 0] > 0.5)
            def handler(input):
                return forest.predict_proba(numbers[:1]).tolist()
            """),
    ];

    public static async Task RunAsync(Report report, string root)
    {
        foreach (var (name, code) in Handlers)
        {
            if (await PlainAsync(code, 1) is null)
            {
                report.Note($"{Interpreter} cannot run '{name}': it is not measured. The packages python3-sklearn and python3-numpy are needed.");
                continue;
            }

            var plain = await PlainAsync(code, PlainRuns) ?? throw new InvalidOperationException("The plain interpreter ran once and then not again.");
            report.Add("python start, plain interpreter, p50", name, plain.P50, "ms");
            var isEmpty = name == Handlers[0].Name;
            var pool = await ProductAsync(root, code, "0B", "pool");
            report.Add("python start, pooled process, p50", name, pool.Times.P50, "ms", isEmpty ? "<= 10" : "", isEmpty ? pool.Times.P50 <= 10 : null);
            report.Add("python start, pooled process, p95", name, pool.Times.P95, "ms");
            report.Add("python start, pooled process, p99", name, pool.Times.P99, "ms");
            report.Add("python instance, private memory, pooled", name, pool.MemoryMib, "MiB");
            if (isEmpty)
            {
                // Loaded sooner than forked: it gets no template.
                continue;
            }

            var fork = await ProductAsync(root, code, "2GiB", "fork");
            report.Add("python start, fork of a template, p50", name, fork.Times.P50, "ms", "<= 15", fork.Times.P50 <= 15);
            report.Add("python start, fork of a template, p95", name, fork.Times.P95, "ms", "<= 30", fork.Times.P95 <= 30);
            report.Add("python start, fork of a template, p99", name, fork.Times.P99, "ms");
            report.Add("python start, fork to plain interpreter", name, fork.Times.P50 / plain.P50, "x");
            report.Add("python instance, private memory, fork", name, fork.MemoryMib, "MiB");
        }
    }

    /// <summary>From the start of an interpreter to its answer, as a script does it; null when it fails.</summary>
    private static async Task<Samples?> PlainAsync(string code, int runs)
    {
        var folder = Fresh.Folder();
        Directory.CreateDirectory(folder);
        try
        {
            var script = Path.Combine(folder, "app.py");
            await File.WriteAllTextAsync(script, code + "\nprint(handler(1), flush=True)\n");
            var times = new List<double>();
            for (var i = 0; i < runs; i++)
            {
                var clock = Stopwatch.StartNew();
                using var process = Process.Start(new ProcessStartInfo(Interpreter, [script]) { RedirectStandardOutput = true, RedirectStandardError = true });
                if (process is null || await process.StandardOutput.ReadLineAsync() is null)
                {
                    return null;
                }

                times.Add(clock.Elapsed.TotalMilliseconds);
                await process.WaitForExitAsync();
            }

            return new Samples(times);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <param name="rung">Step of the start ladder that every measured start must take.</param>
    private static async Task<(Samples Times, double MemoryMib)> ProductAsync(string root, string code, string templates, string rung)
    {
        await using var product = await Product.StartAsync(root, Fresh.Folder(), environment: new Dictionary<string, string>
        {
            ["DORMOUSE_WORKERS__PYTHON"] = Interpreter,
            ["DORMOUSE_WORKERS__TEMPLATES_MEMORY"] = templates,
        });
        var file = Path.Combine(Fresh.Folder(), "app.py");
        Directory.CreateDirectory(Path.GetDirectoryName(file)!); // Not null: it was just combined.
        await File.WriteAllTextAsync(file, code);
        await product.DeployAsync("function", file, settings: new JsonObject { ["runtime"] = "python", ["handler"] = "app.py::handler" }, path: "app.py");
        Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
        await CallAsync(product);
        if (rung == "fork")
        {
            var clock = Stopwatch.StartNew();
            while ((await product.ApiAsync(HttpMethod.Get, "/api/v1/endpoints/function"))!["revisions"]![0]!["template"]?["state"]?.GetValue<string>() != "ready")
            {
                if (clock.Elapsed.TotalSeconds > 60)
                {
                    throw new InvalidOperationException("No template was ready within 60 s.");
                }

                await Task.Delay(50);
            }
        }

        var times = new List<double>();
        for (var i = 0; times.Count < Runs && i < 2 * Runs; i++)
        {
            await product.ToZeroAsync("function");
            var clock = Stopwatch.StartNew();
            var start = await CallAsync(product);
            if (start.Contains($"rung={rung}", StringComparison.Ordinal))
            {
                times.Add(clock.Elapsed.TotalMilliseconds);
            }
        }

        if (times.Count < Runs)
        {
            throw new InvalidOperationException($"Only {times.Count} of {2 * Runs} starts took the rung {rung}.");
        }

        var instances = (await product.ApiAsync(HttpMethod.Get, "/api/v1/endpoints/function"))!["instances"]!.AsArray();
        return (new Samples(times), instances[0]!["memory_bytes"]!.GetValue<long>() / 1048576.0);
    }

    /// <summary>What the answer says of the start.</summary>
    private static async Task<string> CallAsync(Product product)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"{product.Address}/invoke/function") { Content = new StringContent("1", System.Text.Encoding.UTF8, "application/json") };
        request.Headers.Authorization = new("Bearer", product.Key);
        using var answer = await product.Client.SendAsync(request);
        answer.EnsureSuccessStatusCode();
        await answer.Content.ReadAsByteArrayAsync();
        return answer.Headers.GetValues("Dormouse-Start").Single();
    }
}
