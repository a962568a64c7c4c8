using System.Diagnostics;
using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Bench;

/// <summary>Warm calls: what the gateway adds, and how many a second.</summary>
internal static class Warm
{
    private const double Seconds = 6;
    private const double WarmUpSeconds = 4;

    /// <summary>Turns of the gateway and of the worker's own socket, one connection each; the medians' difference is what the gateway and its hop add.</summary>
    public static async Task OverheadAsync(Report report, string root, IReadOnlyList<Subject> subjects, Peers peers)
    {
        var subject = subjects.FirstOrDefault(s => s.Name == "mnist") ?? subjects[0];
        await using var product = await Product.StartAsync(root, Fresh.Folder());
        await product.DeployAsync(subject.Name, subject.Path);
        await Load.SendAsync(product.Client, subject.JsonRequest(product.Infer(subject.Name), product.Key));
        var socket = await ServingSocketAsync(product, subject);
        await using var aspnet = await peers.AspnetAsync(subject);
        await using var yarp = await peers.YarpAsync(aspnet.Address);

        var (gateway, worker, bare, proxied) = (new List<double>(), new List<double>(), new List<double>(), new List<double>());
        for (var turn = 0; turn < 7; turn++)
        {
            gateway.Add((await Load.RunAsync(() => subject.JsonRequest(product.Infer(subject.Name), product.Key), 1, 2)).Milliseconds.P50);
            worker.Add((await Load.RunAsync(() => subject.JsonRequest("http://instance/infer"), 1, 2, socket)).Milliseconds.P50);
            bare.Add((await Load.RunAsync(() => subject.JsonRequest(aspnet.Address + "/infer"), 1, 2)).Milliseconds.P50);
            proxied.Add((await Load.RunAsync(() => subject.JsonRequest(yarp.Address + "/infer"), 1, 2)).Milliseconds.P50);
        }

        var added = new Samples(gateway.Zip(worker, (g, w) => g - w)).P50;
        report.Add("warm, 1 connection, p50", $"{subject.Name} through Dormouse", new Samples(gateway).P50, "ms");
        report.Add("warm, 1 connection, p50", $"{subject.Name} worker's own socket", new Samples(worker).P50, "ms");
        report.Add("warm, added by gateway and hop, p50", subject.Name, added, "ms", "<= 0.2", added <= 0.2);
        report.Add("warm, 1 connection, p50", $"{subject.Name} bare ASP.NET", new Samples(bare).P50, "ms");
        report.Add("warm, added by YARP, p50", subject.Name, new Samples(proxied.Zip(bare, (p, b) => p - b)).P50, "ms");
    }

    public static async Task ThroughputAsync(Report report, string root, IReadOnlyList<Subject> subjects, Peers peers)
    {
        foreach (var subject in subjects)
        {
            var ceiling = EngineAlone(subject);
            report.Add("engine alone, 2 callers", subject.Name, ceiling, "runs/s");
            double json, binary;
            await using (var product = await Product.StartAsync(root, Fresh.Folder()))
            {
                await product.DeployAsync(subject.Name, subject.Path);
                json = await RateAsync(report, "throughput, JSON, 8 connections", $"{subject.Name} Dormouse", () => subject.JsonRequest(product.Infer(subject.Name), product.Key));
                binary = await RateAsync(report, "throughput, binary, 8 connections", $"{subject.Name} Dormouse", () => subject.BinaryRequest(product.Infer(subject.Name), product.Key));
            }

            var best = 0.0;
            await using (var aspnet = await peers.AspnetAsync(subject))
            {
                best = Math.Max(best, await RateAsync(report, "throughput, JSON, 8 connections", $"{subject.Name} bare ASP.NET", () => subject.JsonRequest(aspnet.Address + "/infer")));
                await using var yarp = await peers.YarpAsync(aspnet.Address);
                best = Math.Max(best, await RateAsync(report, "throughput, JSON, 8 connections", $"{subject.Name} ASP.NET behind YARP", () => subject.JsonRequest(yarp.Address + "/infer")));
            }

            if (peers.HasNode)
            {
                await using var node = await peers.NodeAsync(subject);
                best = Math.Max(best, await RateAsync(report, "throughput, JSON, 8 connections", $"{subject.Name} node", () => subject.JsonRequest(node.Address + "/infer")));
            }

            var isMobilenet = subject.Name == "mobilenet";
            report.Add("throughput, JSON, ratio to the best peer", subject.Name, json / best, "x", isMobilenet ? ">= 1.6" : "", isMobilenet ? json / best >= 1.6 : null);
            report.Add("throughput, binary, ratio to engine alone", subject.Name, binary / ceiling, "x", isMobilenet ? ">= 0.75" : "", isMobilenet ? binary / ceiling >= 0.75 : null);
        }
    }

    private static async Task<double> RateAsync(Report report, string leg, string subject, Func<HttpRequestMessage> request)
    {
        // Every server compiles its hot code in its first seconds under load.
        await Load.RunAsync(request, 8, WarmUpSeconds);
        var (perSecond, times) = await Load.RunAsync(request, 8, Seconds);
        report.Add(leg, subject, perSecond, "req/s");
        report.Add(leg + ", p99", subject, times.P99, "ms");
        return perSecond;
    }

    /// <summary>No server at all: two threads that run the optimised session on one thread each.</summary>
    private static double EngineAlone(Subject subject)
    {
        using var options = new SessionOptions { IntraOpNumThreads = 1, InterOpNumThreads = 1, GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL, EnableCpuMemArena = false };
        options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
        using var session = new InferenceSession(subject.Path, options);
        var clock = Stopwatch.StartNew();
        var counts = new int[2];
        var threads = Enumerable.Range(0, 2).Select(i => new Thread(() =>
        {
            using var run = new RunOptions();
            using var input = subject.Datatype == "UINT8"
                ? OrtValue.CreateTensorValueFromMemory(subject.Raw, subject.Shape)
                : OrtValue.CreateTensorValueFromMemory(System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(subject.Raw).ToArray(), subject.Shape);
            while (clock.Elapsed.TotalSeconds < Seconds + 1)
            {
                using var outputs = session.Run(run, [subject.Input], [input], session.OutputNames);
                if (clock.Elapsed.TotalSeconds >= 1)
                {
                    counts[i]++;
                }
            }
        })).ToArray();
        Array.ForEach(threads, t => t.Start());
        Array.ForEach(threads, t => t.Join());
        return counts.Sum() / Seconds;
    }

    private static async Task<string> ServingSocketAsync(Product product, Subject subject)
    {
        foreach (var socket in product.Sockets())
        {
            using var client = Load.SocketClient(socket);
            using var answer = await client.SendAsync(subject.JsonRequest("http://instance/infer"));
            if (answer.IsSuccessStatusCode)
            {
                return socket;
            }
        }

        throw new InvalidOperationException("No worker serves the model.");
    }
}
