using System.Diagnostics;

namespace Dormouse.Bench;

/// <summary>How long the first answer from zero takes, client to client, against a plain server's own start.</summary>
internal static class ColdStarts
{
    private const int Runs = 40;
    private const int PeerRuns = 10;

    public static async Task PooledAsync(Report report, string root, IReadOnlyList<Subject> subjects, Peers peers)
    {
        await using var product = await Product.StartAsync(root, Fresh.Folder());
        foreach (var subject in subjects)
        {
            await product.DeployAsync(subject.Name, subject.Path);
        }

        foreach (var subject in subjects)
        {
            var ours = await MeasureAsync(product, subject);
            var aspnet = await peers.AspnetColdAsync(subject, PeerRuns);
            var isMobilenet = subject.Name == "mobilenet";
            report.Add("cold start, pooled, p50", subject.Name, ours.P50, "ms", isMobilenet ? "<= 25" : "<= 8", ours.P50 <= (isMobilenet ? 25 : 8));
            report.Add("cold start, pooled, p95", subject.Name, ours.P95, "ms", isMobilenet ? "<= 60" : "", isMobilenet ? ours.P95 <= 60 : null);
            report.Add("cold start, bare ASP.NET server, p50", subject.Name, aspnet.P50, "ms");
            report.Add("cold start, ratio to bare ASP.NET", subject.Name, ours.P50 / aspnet.P50, "x", isMobilenet ? "<= 1/12 (0.083)" : "", isMobilenet ? ours.P50 / aspnet.P50 <= 1 / 12.0 : null);
            if (await peers.NodeColdAsync(subject, PeerRuns) is { } node)
            {
                report.Add("cold start, node server, p50", subject.Name, node.P50, "ms");
            }
        }
    }

    public static async Task EmptyPoolAsync(Report report, string root, IReadOnlyList<Subject> subjects)
    {
        await using var product = await Product.StartAsync(root, Fresh.Folder(), poolSize: 0);
        foreach (var subject in subjects)
        {
            await product.DeployAsync(subject.Name, subject.Path);
            var ours = await MeasureAsync(product, subject);
            var isMobilenet = subject.Name == "mobilenet";
            report.Add("cold start, empty pool, p50", subject.Name, ours.P50, "ms", isMobilenet ? "<= 80" : "", isMobilenet ? ours.P50 <= 80 : null);
        }
    }

    private static async Task<Samples> MeasureAsync(Product product, Subject subject)
    {
        var times = new List<double>();
        for (var i = 0; i < Runs + 2; i++)
        {
            await product.ToZeroAsync(subject.Name);
            var clock = Stopwatch.StartNew();
            await Load.SendAsync(product.Client, subject.BinaryRequest(product.Infer(subject.Name), product.Key));
            if (i >= 2)
            {
                times.Add(clock.Elapsed.TotalMilliseconds);
            }
        }

        return new Samples(times);
    }
}
