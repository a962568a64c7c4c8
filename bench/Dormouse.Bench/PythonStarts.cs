using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Dormouse.Bench;

/// <summary>How long the first answer of a Python function from zero takes: a pooled process that imports, and a fork of a template, beside a plain interpreter that does the same.</summary>
internal static class PythonStarts
{
    public const int Runs = 100;

    private const int RestoreRuns = 20;

    /// <summary>Room for one template with scikit-learn, not for two.</summary>
    private const string TemplatesOfOne = "110MiB";

    /// <summary>What <c>./test</c> makes for its tests of snapshots.</summary>
    private const string CriuFolder = "artifacts/debian13";
    public const string Interpreter = "/usr/bin/python3";
    private const string Empty = "empty handler", Forest = "numpy + scikit-learn, forest", Torch = "torch, 100 MB of weights";

    /// <summary>What the answer divides its time into: until the fork is its own, its hooks, the call.</summary>
    private static readonly string[] PartNames = ["start", "load", "run"];

    public static readonly (string Name, string Code)[] Handlers =
    [
        (Empty, "def handler(input):\n    return input\n"),
        ("numpy", """
            import numpy
            numbers = numpy.random.default_rng(7).random((200, 200))
            def handler(input):
                return float((numbers @ numbers).sum())
            """),
        (Forest, """
            import numpy
            import sklearn.ensemble
            numbers = numpy.random.default_rng(7).random((500, 10))
            forest = sklearn.ensemble.RandomForestClassifier(n_estimators=50, random_state=7).fit(numbers, numbers[:, 0] > 0.5)
            def handler(input):
                return forest.predict_proba(numbers[:1]).tolist()
            """),
        // One thread: others would not be there in a fork.
        (Torch, """
            import torch
            torch.set_num_threads(1)
            layer = torch.nn.Linear(5000, 5000)
            row = torch.ones(1, 5000)
            def handler(input):
                with torch.no_grad():
                    return float(layer(row).sum())
            """),
    ];

    /// <summary>Starts of one rung, and what one instance of it takes.</summary>
    /// <param name="Parts">What answers divide their times into.</param>
    public sealed record Measured(Samples Times, double MemoryMib, IReadOnlyList<(string Part, Samples Times)> Parts);

    public static async Task RunAsync(Report report, string root)
    {
        foreach (var (name, code) in Handlers)
        {
            if (await PlainAsync(code, 1) is null)
            {
                report.Note($"{Interpreter} cannot run '{name}': it is not measured. The packages python3-numpy, python3-sklearn and python3-torch are needed.");
                continue;
            }

            var plain = await PlainAsync(code, Rounds.Of(Runs)) ?? throw new InvalidOperationException("The plain interpreter ran once and then not again.");
            report.Add("python start, plain interpreter, p50", name, plain.P50, "ms");
            report.Add("python start, plain interpreter, p95", name, plain.P95, "ms");
            report.Add("python start, plain interpreter, p99", name, plain.P99, "ms");
            var isEmpty = name == Empty;
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
            // The targets are those of scikit-learn.
            var isForest = name == Forest;
            report.Add("python start, fork of a template, p50", name, fork.Times.P50, "ms", isForest ? "<= 15" : "", isForest ? fork.Times.P50 <= 15 : null);
            report.Add("python start, fork of a template, p95", name, fork.Times.P95, "ms", isForest ? "<= 30" : "", isForest ? fork.Times.P95 <= 30 : null);
            report.Add("python start, fork of a template, p99", name, fork.Times.P99, "ms");
            foreach (var (part, times) in fork.Parts)
            {
                report.Add($"python start, fork of a template, of that {part}, p50", name, times.P50, "ms");
            }

            report.Add("python start, fork to plain interpreter", name, fork.Times.P50 / plain.P50, "x");
            report.Add("python instance, private memory, fork", name, fork.MemoryMib, "MiB");
            if (!isForest)
            {
                // What loads sooner than a snapshot is restored gets none.
                continue;
            }

            if (!File.Exists(Path.Combine(root, CriuFolder, "usr/sbin/criu")))
            {
                report.Note($"There is no {CriuFolder} with CRIU, which ./test makes: restores are not measured.");
                continue;
            }

            var evicted = await EvictedAsync(root, code);
            report.Add("python start, restored after its template had gone, p50", name, evicted.P50, "ms", "<= 130", evicted.P50 <= 130);
            report.Add("python start, restored after its template had gone, p95", name, evicted.P95, "ms");
            report.Add("python start, restored after its template had gone, p99", name, evicted.P99, "ms");
            report.Add("python start, pooled process to restored", name, pool.Times.P50 / evicted.P50, "x", ">= 4", pool.Times.P50 / evicted.P50 >= 4);
            var restarted = await RestartedAsync(root, code);
            report.Add("python start, restored after a restart of the server, p50", name, restarted.P50, "ms");
            report.Add("python start, restored after a restart of the server, p95", name, restarted.P95, "ms");
            report.Add("python start, restored after a restart of the server, p99", name, restarted.P99, "ms");
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

    /// <summary>The plain interpreter has what the code imports.</summary>
    public static async Task<bool> CanRunAsync(string code) => await PlainAsync(code, 1) is not null;

    /// <summary>A server with the code's handler as endpoint <c>function</c>.</summary>
    public static async Task<Product> ServeAsync(string root, string code, string templates, JsonObject settings, string idleTimeout = "10m", IReadOnlyDictionary<string, string>? more = null)
    {
        // Without CRIU, unless it is what is measured.
        var product = await Product.StartAsync(root, Fresh.Folder(), environment: Settings(templates, more ?? new Dictionary<string, string> { ["DORMOUSE_WORKERS__SNAPSHOTS_DISK"] = "0B" }));
        await DeployAsync(product, "function", code, settings, idleTimeout);
        return product;
    }

    private static async Task DeployAsync(Product product, string endpoint, string code, JsonObject settings, string idleTimeout)
    {
        var file = Path.Combine(Fresh.Folder(), "app.py");
        Directory.CreateDirectory(Path.GetDirectoryName(file)!); // Not null: it was just combined.
        await File.WriteAllTextAsync(file, code);
        settings["runtime"] = "python";
        settings["handler"] = "app.py::handler";
        await product.DeployAsync(endpoint, file, idleTimeout: idleTimeout, settings: settings, path: "app.py");
        Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
    }

    private static async Task<Measured> ProductAsync(string root, string code, string templates, string rung)
    {
        await using var product = await ServeAsync(root, code, templates, []);
        return await MeasureAsync(product, rung);
    }

    /// <summary>First answers from zero of the endpoint <c>function</c>, each of an instance that was started anew.</summary>
    /// <param name="rung">Step of the start ladder that every measured start must take.</param>
    public static async Task<Measured> MeasureAsync(Product product, string rung)
    {
        var runs = Rounds.Of(Runs);
        await CallAsync(product);
        if (rung == "fork")
        {
            await SpareAsync(product);
            // The first fork is as the first after a deploy: the next ones know what a first call writes to.
            await product.ToZeroAsync("function");
            await CallAsync(product);
        }

        var times = new List<double>();
        var parts = PartNames.ToDictionary(part => part, _ => new List<double>());
        for (var i = 0; times.Count < runs && i < 2 * runs; i++)
        {
            await product.ToZeroAsync("function");
            if (rung == "fork")
            {
                await SpareAsync(product);
            }

            var clock = Stopwatch.StartNew();
            var (start, timing) = await CallAsync(product);
            if (!start.Contains($"rung={rung}", StringComparison.Ordinal))
            {
                continue;
            }

            times.Add(clock.Elapsed.TotalMilliseconds);
            foreach (var entry in timing.Split(',', StringSplitOptions.TrimEntries))
            {
                if (entry.Split(";dur=") is [var part, var milliseconds] && parts.TryGetValue(part, out var list))
                {
                    list.Add(double.Parse(milliseconds, CultureInfo.InvariantCulture));
                }
            }
        }

        if (times.Count < runs)
        {
            throw new InvalidOperationException($"Only {times.Count} of {2 * runs} starts took the rung {rung}.");
        }

        var instances = (await product.ApiAsync(HttpMethod.Get, "/api/v1/endpoints/function"))!["instances"]!.AsArray();
        return new(new Samples(times), instances[0]!["memory_bytes"]!.GetValue<long>() / 1048576.0, [.. PartNames.Where(part => parts[part].Count > 0).Select(part => (part, new Samples(parts[part])))]);
    }

    /// <summary>Calls of two endpoints in turn, of whose templates one has room: each call restores its own from disk, on a server that is up.</summary>
    private static async Task<Samples> EvictedAsync(string root, string code)
    {
        await using var product = await ServeAsync(root, code, TemplatesOfOne, [], more: SnapshotSettings(root));
        await DeployAsync(product, "other", code, [], "10m");
        string[] both = ["function", "other"];
        foreach (var endpoint in both)
        {
            await CallAsync(product, endpoint);
            await KeptAsync(product, endpoint);
            await product.ToZeroAsync(endpoint);
        }

        var times = new List<double>();
        for (var i = -both.Length; i < Rounds.Of(RestoreRuns); i++)
        {
            var endpoint = both[Math.Abs(i) % both.Length];
            var time = await RestoredCallAsync(product, endpoint);
            await product.ToZeroAsync(endpoint);
            await Task.Delay(TimeSpan.FromSeconds(2)); // The carrier's place in the pool is filled meanwhile.
            if (i >= 0)
            {
                times.Add(time);
            }
        }

        return new Samples(times);
    }

    /// <summary>The first call after a restart of the server, with workers of the pool ready, whose template is restored from disk.</summary>
    private static async Task<Samples> RestartedAsync(string root, string code)
    {
        var settings = SnapshotSettings(root);
        var product = await ServeAsync(root, code, "2GiB", [], more: settings);
        var times = new List<double>();
        try
        {
            await CallAsync(product);
            await KeptAsync(product, "function");
            for (var i = 0; i < Rounds.Of(RestoreRuns); i++)
            {
                await product.StopAsync();
                product = await Product.StartAsync(root, product.Data, environment: Settings("2GiB", settings));
                await Task.Delay(TimeSpan.FromSeconds(3)); // Until the pool of Python workers is full.
                times.Add(await RestoredCallAsync(product, "function"));
            }

            return new Samples(times);
        }
        finally
        {
            await product.DisposeAsync();
        }
    }

    private static async Task<double> RestoredCallAsync(Product product, string endpoint)
    {
        var clock = Stopwatch.StartNew();
        var (start, _) = await CallAsync(product, endpoint);
        return start.Contains("rung=restore", StringComparison.Ordinal) ? clock.Elapsed.TotalMilliseconds : throw new InvalidOperationException($"A start was not restored: {start}.");
    }

    private static Task KeptAsync(Product product, string endpoint) =>
        UntilAsync(async () => (await product.ApiAsync(HttpMethod.Get, $"/api/v1/endpoints/{endpoint}"))!["revisions"]![0]!["snapshot"]?["state"]?.GetValue<string>() switch
        {
            "kept" => true,
            "refused" => throw new InvalidOperationException("The snapshot is refused: 'dormouse describe' says why."),
            _ => false,
        });

    private static Dictionary<string, string> SnapshotSettings(string root) => new()
    {
        ["DORMOUSE_WORKERS__CRIU"] = Path.Combine(root, CriuFolder),
        ["DORMOUSE_WORKERS__SNAPSHOT_AFTER"] = "200ms",
        ["DORMOUSE_WORKERS__SNAPSHOTS_DISK"] = "2GiB",
    };

    private static Dictionary<string, string> Settings(string templates, IReadOnlyDictionary<string, string>? more) => new(more ?? new Dictionary<string, string>())
    {
        ["DORMOUSE_WORKERS__PYTHON"] = Interpreter,
        ["DORMOUSE_WORKERS__TEMPLATES_MEMORY"] = templates,
    };

    private static async Task UntilAsync(Func<Task<bool>> fact)
    {
        var clock = Stopwatch.StartNew();
        while (!await fact())
        {
            if (clock.Elapsed.TotalSeconds > 60)
            {
                throw new InvalidOperationException("No snapshot was kept within 60 s.");
            }

            await Task.Delay(20);
        }
    }

    /// <summary>Waits until a fork is made ahead: a start that comes sooner waits for its own.</summary>
    private static async Task SpareAsync(Product product)
    {
        var clock = Stopwatch.StartNew();
        while ((await product.ApiAsync(HttpMethod.Get, "/api/v1/endpoints/function"))!["revisions"]![0]!["template"]?["spares"]?.GetValue<int>() is not > 0)
        {
            if (clock.Elapsed.TotalSeconds > 60)
            {
                throw new InvalidOperationException("No fork was made ahead within 60 s.");
            }

            await Task.Delay(20);
        }
    }

    /// <summary>What the answer says of the start, and of its times.</summary>
    public static async Task<(string Start, string Timing)> CallAsync(Product product, string endpoint = "function")
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"{product.Address}/invoke/{endpoint}") { Content = new StringContent("1", System.Text.Encoding.UTF8, "application/json") };
        request.Headers.Authorization = new("Bearer", product.Key);
        using var answer = await product.Client.SendAsync(request);
        answer.EnsureSuccessStatusCode();
        await answer.Content.ReadAsByteArrayAsync();
        return (answer.Headers.GetValues("Dormouse-Start").Single(), answer.Headers.GetValues("Server-Timing").Single());
    }
}
