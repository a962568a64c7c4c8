using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Dormouse.Bench;

/// <summary>What the sandbox costs a start and a warm call, what a neighbour feels of an instance that attacks, and what memory is left of instances that ended.</summary>
internal static class Isolation
{
    private const int Runs = 100;
    private const int Turns = 5;
    private const double Seconds = 6;
    private const double StartMax = 3;
    private const double ShareMin = 0.97;
    private const double NeighbourMax = 2;
    private const double LeftMaxMb = 2;

    private const string Container = "container";

    private static readonly string[] Levels = ["process", "sandbox"];

    /// <summary>Each goes on for some seconds, or until it is ended for it.</summary>
    private static readonly (string Name, string Code)[] Attacks =
    [
        ("fork bomb", """
            import os, time
            def handler(input):
                end = time.monotonic() + input
                while time.monotonic() < end:
                    try:
                        if os.fork() == 0:
                            while time.monotonic() < end:
                                pass
                            os._exit(0)
                    except OSError:
                        time.sleep(0.01)
                return 1
            """),
        ("memory", """
            import time
            def handler(input):
                end = time.monotonic() + input
                held = []
                while time.monotonic() < end:
                    held.append(bytearray(b"x") * (16 << 20))
                return 1
            """),
        ("disk", """
            import os, time
            def handler(input):
                end = time.monotonic() + input
                while time.monotonic() < end:
                    try:
                        with open("/tmp/fill", "ab") as file:
                            file.write(b"x" * (1 << 20))
                    except OSError:
                        open("/tmp/fill", "wb").close()
                return 1
            """),
    ];

    public static async Task StartAsync(Report report, string root, IReadOnlyList<Subject> subjects)
    {
        foreach (var subject in subjects)
        {
            await using var product = await LevelsAsync(root, subject);
            var levels = await AddContainerAsync(report, product, subject);
            var times = levels.ToDictionary(level => level, _ => new List<double>());
            for (var i = 0; i < Rounds.Of(Runs); i++)
            {
                foreach (var level in levels)
                {
                    await product.ToZeroAsync(level);
                    var clock = Stopwatch.StartNew();
                    await Load.SendAsync(product.Client, subject.BinaryRequest(product.Infer(level), product.Key));
                    times[level].Add(clock.Elapsed.TotalMilliseconds);
                }
            }

            foreach (var level in levels)
            {
                var samples = new Samples(times[level]);
                report.Add($"ONNX start, pooled, {level}, p50", subject.Name, samples.P50, "ms");
                report.Add($"ONNX start, pooled, {level}, p95", subject.Name, samples.P95, "ms");
                report.Add($"ONNX start, pooled, {level}, p99", subject.Name, samples.P99, "ms");
            }

            var added = new Samples(times["sandbox"]).P50 - new Samples(times["process"]).P50;
            report.Add("ONNX start, added by the sandbox, p50", subject.Name, added, "ms", $"<= {StartMax}", added <= StartMax);
            if (levels.Contains(Container))
            {
                report.Add("ONNX start, added by the container, p50", subject.Name, new Samples(times[Container]).P50 - new Samples(times["process"]).P50, "ms");
            }
        }
    }

    public static async Task ThroughputAsync(Report report, string root, IReadOnlyList<Subject> subjects)
    {
        foreach (var subject in subjects)
        {
            await using var product = await LevelsAsync(root, subject);
            var rates = Levels.ToDictionary(level => level, _ => new List<double>());
            for (var turn = 0; turn <= Rounds.Of(Turns); turn++)
            {
                foreach (var level in Levels)
                {
                    var (perSecond, _) = await Load.RunAsync(() => subject.BinaryRequest(product.Infer(level), product.Key), 8, Rounds.Seconds(Seconds));
                    // The first turn compiles what is hot.
                    rates[level].AddRange(turn == 0 ? [] : [perSecond]);
                }
            }

            Array.ForEach(Levels, level => report.Add($"throughput, binary, 8 connections, {level}", subject.Name, new Samples(rates[level]).P50, "req/s"));
            var share = new Samples(rates["sandbox"]).P50 / new Samples(rates["process"]).P50;
            report.Add("throughput, sandbox to process", subject.Name, share, "x", $">= {ShareMin}", share >= ShareMin);
        }
    }

    public static async Task NeighboursAsync(Report report, string root, IReadOnlyList<Subject> subjects)
    {
        var subject = subjects.FirstOrDefault(s => s.Name == "mnist") ?? subjects[0];
        foreach (var (name, code) in Attacks)
        {
            await using var product = await PythonStarts.ServeAsync(root, code, "0B", new JsonObject { ["isolation"] = "sandbox", ["memory"] = "256MiB", ["timeout"] = "60s" });
            await product.DeployAsync("neighbour", subject.Path);
            async Task<double> P99Async() => (await Load.RunAsync(() => subject.BinaryRequest(product.Infer("neighbour"), product.Key), 1, Rounds.Seconds(Seconds))).Milliseconds.P99;
            await P99Async();
            var before = await P99Async();
            using var over = new CancellationTokenSource();
            var attacks = AttackAsync(product, over.Token);
            await Task.Delay(500, CancellationToken.None);
            var during = await P99Async();
            await over.CancelAsync();
            var count = await attacks;
            report.Add("neighbour, p99 before", name, before, "ms");
            report.Add($"neighbour, p99 during ({count} attacks)", name, during, "ms");
            report.Add("neighbour, p99 during to before", name, during / before, "x", $"<= {NeighbourMax}", during / before <= NeighbourMax);
        }
    }

    public static async Task ReturnedAsync(Report report, string root, IReadOnlyList<Subject> subjects)
    {
        var subject = subjects[0];
        await using var product = await PythonStarts.ServeAsync(root, "held = bytearray(64 << 20)\nfor i in range(0, len(held), 4096):\n    held[i] = 1\ndef handler(input):\n    return input\n", "0B", []);
        await product.DeployAsync("model", subject.Path);
        async Task RoundAsync()
        {
            await PythonStarts.CallAsync(product);
            await Load.SendAsync(product.Client, subject.BinaryRequest(product.Infer("model"), product.Key));
            await product.ToZeroAsync("function");
            await product.ToZeroAsync("model");
        }

        // The first rounds fill the pools and compile what is hot.
        for (var i = 0; i < Rounds.Of(50); i++)
        {
            await RoundAsync();
        }

        await Task.Delay(5_000);
        var before = product.PrivateMb();
        await PythonStarts.CallAsync(product);
        await Load.SendAsync(product.Client, subject.BinaryRequest(product.Infer("model"), product.Key));
        var during = product.PrivateMb();
        await product.ToZeroAsync("function");
        await product.ToZeroAsync("model");
        await Task.Delay(5_000);
        var left = product.PrivateMb() - before;
        report.Add("private memory of all processes, two instances", "ONNX and Python", during - before, "MB");
        report.Add("… left after the last instance ended", "ONNX and Python", left, "MB", $"<= {LeftMaxMb}", left <= LeftMaxMb);
    }

    /// <summary>One attack after the other, until told to end. Returns how many there were; an instance that does not survive its own is another one's turn.</summary>
    private static async Task<int> AttackAsync(Product product, CancellationToken over)
    {
        var count = 0;
        while (!over.IsCancellationRequested)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, $"{product.Address}/invoke/function") { Content = new StringContent("2", System.Text.Encoding.UTF8, "application/json") };
            request.Headers.Authorization = new("Bearer", product.Key);
            using var answer = await product.Client.SendAsync(request, CancellationToken.None);
            count++;
        }

        return count;
    }

    /// <summary>A server with the model at each level, warm.</summary>
    private static async Task<Product> LevelsAsync(string root, Subject subject)
    {
        var product = await Product.StartAsync(root, Fresh.Folder(), poolSize: 4);
        foreach (var level in Levels)
        {
            await AddAsync(product, subject, level);
        }

        return product;
    }

    /// <summary>The levels with the model, that of containers among them where they can be made.</summary>
    private static async Task<string[]> AddContainerAsync(Report report, Product product, Subject subject)
    {
        var doctor = (await product.ApiAsync(HttpMethod.Get, "/api/v1/doctor"))!["checks"]!.AsArray().FirstOrDefault(check => check!["name"]!.GetValue<string>() == Container);
        if (doctor?["status"]!.GetValue<string>() != "ok")
        {
            report.Note($"Starts in containers are not measured: {doctor?["detail"] ?? "the doctor says nothing of them"}.");
            return Levels;
        }

        await AddAsync(product, subject, Container);
        return [.. Levels, Container];
    }

    private static async Task AddAsync(Product product, Subject subject, string level)
    {
        await product.DeployAsync(level, subject.Path, settings: new JsonObject { ["isolation"] = level });
        await Load.SendAsync(product.Client, subject.BinaryRequest(product.Infer(level), product.Key));
    }
}
