namespace Dormouse.Bench;

/// <summary>
/// Asynchronous invocations: how many a second are accepted durably, how many are run, and what the way through the queue adds to one; on both stores, and beside job queues that a user
/// could have taken. Everybody is asked by the same client over HTTP, one request an item.
/// </summary>
internal static class Queued
{
    private const int Connections = 64;
    private static readonly int LatencyWarmUps = Quick.Or(20, 500);

    private static readonly double Seconds = Quick.Or(1.0, 6.0);
    private static readonly double WarmUpSeconds = Quick.Or(1.0, 20.0);
    private static readonly int DrainItems = Quick.Or(2 * Connections, 80 * Connections);
    private static readonly int LatencyCalls = Quick.Or(20, 200);

    public static async Task RunAsync(Report report, string root, IReadOnlyList<Subject> subjects)
    {
        var postgres = PrivatePostgres.BinFolder is { } bin ? await PrivatePostgres.StartAsync(bin) : null;
        await using var _ = postgres;
        if (postgres is null)
        {
            report.Note("PostgreSQL is not installed: Dormouse on it, pg-boss and graphile-worker are left out.");
        }

        await MeasureAsync(report, "Dormouse, SQLite", () => ProductQueue.StartAsync(root, subjects[0], storage: null), perSecondMin: 10_000);

        var (ofPeers, program) = (new List<double>(), QueuePeer.Program(root));
        if (program is null)
        {
            report.Note("npm is absent: pg-boss, graphile-worker and BullMQ are left out.");
        }
        else
        {
            foreach (var kind in postgres is null ? Array.Empty<string>() : ["pg-boss", "graphile-worker"])
            {
                var address = await postgres!.DatabaseAsync(kind);
                ofPeers.Add(await MeasureAsync(report, kind, () => QueuePeer.StartAsync(program, kind, address)));
            }

            if (File.Exists("/usr/bin/redis-server"))
            {
                await using var redis = await PrivateRedis.StartAsync("/usr/bin/redis-server");
                ofPeers.Add(await MeasureAsync(report, "bullmq", () => QueuePeer.StartAsync(program, "bullmq", redis.Address)));
            }
            else
            {
                report.Note("Redis is not installed: BullMQ is left out.");
            }
        }

        if (postgres is not null)
        {
            var address = await postgres.DatabaseAsync("dormouse");
            double? target = ofPeers.Count > 0 ? 1.5 * ofPeers.Max() : null;
            await MeasureAsync(report, "Dormouse, PostgreSQL", () => ProductQueue.StartAsync(root, subjects[0], address), target);
        }
    }

    /// <summary>Returns how many a second it accepted.</summary>
    private static async Task<double> MeasureAsync(Report report, string name, Func<Task<IQueue>> start, double? perSecondMin = null)
    {
        await using var queue = await start();
        await Load.RunAsync(queue.Later, Connections, WarmUpSeconds);
        var (perSecond, times) = await Load.RunAsync(queue.Later, Connections, Seconds);
        report.Add($"accepted durably, {Connections} connections, 1 KB", name, perSecond, "/s", perSecondMin is { } min ? $">= {min:F0}" : "", perSecondMin is null ? null : perSecond >= perSecondMin);
        report.Add($"accepted durably, {Connections} connections, 1 KB, p50", name, times.P50, "ms");
        report.Add($"accepted durably, {Connections} connections, 1 KB, p99", name, times.P99, "ms");

        await queue.GoLiveAsync();
        List<double> added = [];
        for (var i = -LatencyWarmUps; i < LatencyCalls; i++)
        {
            var queued = await TimedAsync(queue.ThroughAsync);
            var direct = await TimedAsync(queue.DirectAsync);
            if (i >= 0)
            {
                added.Add(queued - direct);
            }
        }

        var isOurs = perSecondMin is not null;
        var samples = new Samples(added);
        report.Add("added by the queue, one at a time, p50", name, samples.P50, "ms", isOurs ? "<= 5" : "", isOurs ? samples.P50 <= 5 : null);
        report.Add("added by the queue, one at a time, p99", name, samples.P99, "ms");

        // After those that came alone: the way of an item is compiled by then, here and in the peers.
        report.Add($"drained, {DrainItems} items that do nothing", name, DrainItems / await queue.DrainAsync(DrainItems, Connections), "/s");
        return perSecond;
    }

    private static async Task<double> TimedAsync(Func<Task> call)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        await call();
        return clock.Elapsed.TotalMilliseconds;
    }
}
