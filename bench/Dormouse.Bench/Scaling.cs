using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Dormouse.Bench;

/// <summary>How soon instances are asked for, how a burst from zero ends, and whether the simulator says what the server does.</summary>
internal static class Scaling
{
    private const int Reactions = 200;
    private const int BurstSize = 200;
    private const double BurstRunMs = 20;

    /// <summary>From the call that finds no slot until the driver gets the order to start: the queue's part of a cold call's receipt.</summary>
    public static async Task ReactionAsync(Report report, string root, IReadOnlyList<Subject> subjects)
    {
        await using var product = await Product.StartAsync(root, Fresh.Folder());
        var subject = subjects[0];
        await product.DeployAsync(subject.Name, subject.Path);
        for (var i = 0; i < Reactions + 5; i++)
        {
            await Load.SendAsync(product.Client, subject.BinaryRequest(product.Infer(subject.Name), product.Key));
            await product.ApiAsync(HttpMethod.Post, $"/api/v1/endpoints/{subject.Name}/stop");
            await Task.Delay(150);
        }

        var queue = (await ReceiptsAsync(product, subject.Name)).Where(r => Text(r, "start") == "cold").Take(Reactions).Select(r => Number(r, "queue_ms")).ToArray();
        report.Add("reaction, call without slot to start, p50", $"{queue.Length} cold calls", new Samples(queue).P50, "ms");
        report.Add("reaction, call without slot to start, p99", $"{queue.Length} cold calls", new Samples(queue).P99, "ms", "<= 5", new Samples(queue).P99 <= 5);
    }

    /// <summary>200 callers at once from zero. The ideal has every core busy from the first start's end on.</summary>
    public static async Task BurstAsync(Report report, string root, IReadOnlyList<Subject> subjects)
    {
        if (subjects.FirstOrDefault(s => s.Name == "mobilenet") is not { } small)
        {
            report.Note("burst: ../shared/data/onnx is absent, no model takes 20 ms; left out.");
            return;
        }

        await using var product = await Product.StartAsync(root, Fresh.Folder());
        await product.DeployAsync(small.Name, small.Path);
        var single = await WarmRunMsAsync(product, small);
        var subject = small.Repeated((int)Math.Max(1, Math.Round(BurstRunMs / single)));
        var run = await WarmRunMsAsync(product, subject);
        var (ratios, cold) = (new List<double>(), new List<double>());
        for (var round = 0; round < 5; round++)
        {
            await product.ToZeroAsync(subject.Name);
            var clock = Stopwatch.StartNew();
            await Load.SendAsync(product.Client, subject.BinaryRequest(product.Infer(subject.Name), product.Key));
            cold.Add(clock.Elapsed.TotalMilliseconds - run);

            await product.ToZeroAsync(subject.Name);
            clock.Restart();
            await Task.WhenAll(Enumerable.Range(0, BurstSize).Select(_ => Load.SendAsync(product.Client, subject.BinaryRequest(product.Infer(subject.Name), product.Key))));
            var ideal = (BurstSize * run / Environment.ProcessorCount) + cold[^1];
            ratios.Add(clock.Elapsed.TotalMilliseconds / ideal);
        }

        var ratio = new Samples(ratios).P50;
        report.Add("burst of 200 from zero, run alone", subject.Name, run, "ms");
        report.Add("burst of 200 from zero, one cold start", subject.Name, new Samples(cold).P50, "ms");
        report.Add("burst of 200 from zero, last answer to ideal", "p50 of 5, none lost", ratio, "x", "<= 1.3", ratio <= 1.3);
    }

    /// <summary>A minute of calls on the server, recorded, and the same calls in the simulator under the same settings.</summary>
    public static async Task AgreementAsync(Report report, string root, IReadOnlyList<Subject> subjects)
    {
        const double seconds = 90;
        const int endpoints = 8;
        await using var product = await Product.StartAsync(root, Fresh.Folder());
        var subject = subjects[0];
        for (var i = 0; i < endpoints; i++)
        {
            await product.DeployAsync($"agree-{i}", subject.Path, idleTimeout: "1s");
        }

        var from = DateTimeOffset.UtcNow;
        await Task.WhenAll(Enumerable.Range(0, endpoints).Select(i => CallAsync(product, subject, $"agree-{i}", 0.7 + (0.3 * i), new Random(i), seconds)));
        var live = new List<JsonNode>();
        for (var i = 0; i < endpoints; i++)
        {
            live.AddRange(await ReceiptsAsync(product, $"agree-{i}"));
        }

        var (coldCalls, times) = (live.Where(r => Text(r, "start") == "cold").ToArray(), new Samples(live.Select(TotalMs)));
        var start = new Samples(coldCalls.Select(r => Number(r, "start_ms") + Number(r, "load_ms"))).P50;
        var simulated = await SimulateAsync(root, product, from, start);
        var cold = simulated["cold_starts"]!.GetValue<double>() / coldCalls.Length;
        var p50 = simulated["p50_ms"]!.GetValue<double>() / times.P50;
        report.Add("simulator to server, cold starts", $"{coldCalls.Length} of {live.Count} calls cold", cold, "x", "0.95 to 1.05", cold is >= 0.95 and <= 1.05);
        report.Add("simulator to server, p50", $"{times.P50:0.00} ms, as receipts say", p50, "x", "0.85 to 1.15", p50 is >= 0.85 and <= 1.15);
    }

    private static async Task CallAsync(Product product, Subject subject, string endpoint, double meanGap, Random random, double seconds)
    {
        var clock = Stopwatch.StartNew();
        var next = 0.0;
        while ((next += -Math.Log(1 - random.NextDouble()) * meanGap) < seconds)
        {
            var wait = TimeSpan.FromSeconds(next) - clock.Elapsed;
            await Task.Delay(wait > TimeSpan.Zero ? wait : TimeSpan.Zero);
            await Load.SendAsync(product.Client, subject.BinaryRequest(product.Infer(endpoint), product.Key));
        }
    }

    private static async Task<JsonNode> SimulateAsync(string root, Product product, DateTimeOffset from, double startMs)
    {
        var folder = Directory.CreateTempSubdirectory("dormouse-bench-").FullName;
        var (trace, policy) = (Path.Combine(folder, "arrivals.csv"), Path.Combine(folder, "policy.yaml"));
        await File.WriteAllTextAsync(policy, "name: same\nidle_timeout: 1s\n");
        await DormouseAsync(root, product, "record", "--file", trace, "--from", from.ToString("O", CultureInfo.InvariantCulture));
        var start = ((int)(startMs * 1000)).ToString(CultureInfo.InvariantCulture) + "us";
        var cores = Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture);
        var document = await DormouseAsync(root, product, "simulate", "--trace", trace, "--policy", policy, "--cores", cores, "--start-time", start, "--output", "json");
        Directory.Delete(folder, recursive: true);
        return JsonNode.Parse(document)!["policies"]![0]!;
    }

    private static async Task<string> DormouseAsync(string root, Product product, params string[] arguments)
    {
        var info = new ProcessStartInfo(Path.Combine(root, "artifacts/dist/cli/dormouse"), arguments) { RedirectStandardOutput = true };
        info.Environment["DORMOUSE_SERVER"] = product.Address;
        info.Environment["DORMOUSE_API_KEY"] = product.Key;
        using var process = Process.Start(info) ?? throw new InvalidOperationException("dormouse did not start.");
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"dormouse {string.Join(' ', arguments)} ended with {process.ExitCode}.");
    }

    private static async Task<double> WarmRunMsAsync(Product product, Subject subject)
    {
        for (var i = 0; i < 30; i++)
        {
            await Load.SendAsync(product.Client, subject.BinaryRequest(product.Infer(subject.Name), product.Key));
        }

        return new Samples((await ReceiptsAsync(product, subject.Name)).Where(r => Text(r, "start") == "warm").Take(20).Select(r => Number(r, "run_ms"))).P50;
    }

    private static async Task<IReadOnlyList<JsonNode>> ReceiptsAsync(Product product, string endpoint) =>
        [.. (await product.ApiAsync(HttpMethod.Get, $"/api/v1/endpoints/{endpoint}/invocations?limit=1000"))!["invocations"]!.AsArray().Select(r => r!)];

    private static double TotalMs(JsonNode receipt) => Number(receipt, "queue_ms") + Number(receipt, "start_ms") + Number(receipt, "load_ms") + Number(receipt, "run_ms");

    private static double Number(JsonNode receipt, string name) => receipt[name]!.GetValue<double>();

    private static string Text(JsonNode receipt, string name) => receipt[name]!.GetValue<string>();
}
