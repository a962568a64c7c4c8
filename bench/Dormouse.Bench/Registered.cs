using System.Text.Json.Nodes;

namespace Dormouse.Bench;

/// <summary>What endpoints cost that are there and are not called.</summary>
internal static class Registered
{
    private const int Many = 10_000;
    private const int VeryMany = 100_000;

    /// <summary>Warm calls of one endpoint on a server of its own and on one with many others, in turns.</summary>
    public static async Task WarmAsync(Report report, string root, IReadOnlyList<Subject> subjects)
    {
        var subject = subjects.FirstOrDefault(s => s.Name == "mnist") ?? subjects[0];
        var data = Fresh.Folder();
        await FillAsync(root, data, subject, Many);
        await using var alone = await Product.StartAsync(root, Fresh.Folder());
        await using var crowded = await Product.StartAsync(root, data);
        await alone.DeployAsync("many-0", subject.Path);
        var (few, many) = (new List<double>(), new List<double>());
        for (var turn = 0; turn < 11; turn++)
        {
            few.Add(await P50Async(alone, subject));
            many.Add(await P50Async(crowded, subject));
        }

        var ratio = new Samples(many.Zip(few, (m, f) => m / f)).P50;
        report.Add("warm p50 beside idle endpoints", "none", new Samples(few).P50, "ms");
        report.Add("warm p50 beside idle endpoints", $"{Many:N0}", new Samples(many).P50, "ms");
        report.Add("warm p50 beside idle endpoints, ratio", $"{Many:N0} to none", ratio, "x", "<= 1.03", ratio <= 1.03);
    }

    public static async Task StartAsync(Report report, string root, IReadOnlyList<Subject> subjects)
    {
        var data = Fresh.Folder();
        var clock = System.Diagnostics.Stopwatch.StartNew();
        await FillAsync(root, data, subjects[0], VeryMany);
        report.Note($"{VeryMany:N0} endpoints were deployed in {clock.Elapsed.TotalSeconds:N0} s");
        var starts = new List<double>();
        for (var i = 0; i < 3; i++)
        {
            var product = await Product.StartAsync(root, data);
            starts.Add(product.ListeningMs);
            await product.StopAsync();
        }

        report.Add("server, start to listening", $"{VeryMany:N0} endpoints", new Samples(starts).P50, "ms", "<= 5000", new Samples(starts).P50 <= 5_000);
        Directory.Delete(data, recursive: true);
    }

    /// <summary>Deploys one model under many names: many-0, many-1, …</summary>
    public static async Task FillAsync(string root, string data, Subject subject, int count)
    {
        var product = await Product.StartAsync(root, data);
        await product.DeployAsync("many-0", subject.Path);
        var bytes = await File.ReadAllBytesAsync(subject.Path);
        var hash = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes));
        await Parallel.ForEachAsync(Enumerable.Range(1, count - 1), new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (i, _) =>
            await product.ApiAsync(HttpMethod.Post, $"/api/v1/endpoints/many-{i}/revisions?wait=true", new JsonObject
            {
                ["files"] = new JsonArray(new JsonObject { ["path"] = "model.onnx", ["sha256"] = hash, ["size_bytes"] = bytes.Length }),
                ["verify"] = false,
            }));
        await product.StopAsync();
    }

    private static async Task<double> P50Async(Product product, Subject subject) =>
        (await Load.RunAsync(() => subject.JsonRequest(product.Infer("many-0"), product.Key), 1, 2)).Milliseconds.P50;
}
