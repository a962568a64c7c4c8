using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Dormouse.Bench;

/// <summary>Asynchronous invocations: how many a second are accepted durably, how many are run, and what the way through the queue adds to one.</summary>
internal static class Queued
{
    private const int Connections = 64;
    private const int BodyBytes = 1024;
    private const int DrainItems = 5_000;
    private const int LatencyCalls = 200;
    private const double Seconds = 6;

    public static async Task RunAsync(Report report, string root, IReadOnlyList<Subject> subjects)
    {
        var subject = subjects[0];
        await using var product = await Product.StartAsync(root, Fresh.Folder(), environment: [new("DORMOUSE_QUEUES__LIMIT", "1000000")]);
        await product.DeployAsync(subject.Name, subject.Path);

        // They fall due long after the benchmark: nothing runs while accepting is measured.
        HttpRequestMessage Waiting() => Request(product, subject, "1h");
        await Load.RunAsync(Waiting, Connections, 3);
        var (perSecond, times) = await Load.RunAsync(Waiting, Connections, Seconds);
        report.Add($"accepted durably, {Connections} connections, 1 KB", subject.Name, perSecond, "/s", ">= 10000", perSecond >= 10_000);
        report.Add($"accepted durably, {Connections} connections, 1 KB, p99", subject.Name, times.P99, "ms");

        await DrainAsync(report, product, subject);
        await LatencyAsync(report, product, subject);
    }

    private static async Task DrainAsync(Report report, Product product, Subject subject)
    {
        // Paused by delay, so that accepting and draining do not share the measured time.
        var due = DateTimeOffset.UtcNow + TimeSpan.FromSeconds(15);
        var each = DrainItems / Connections;
        await Task.WhenAll(Enumerable.Range(0, Connections).Select(_ => Task.Factory.StartNew(
            () =>
            {
                using var sample = Request(product, subject, "1s");
                using var connection = RawConnection.Open(sample.RequestUri!, null);
                for (var i = 0; i < each; i++)
                {
                    var delay = Math.Max(1, (int)(due - DateTimeOffset.UtcNow).TotalSeconds);
                    var request = RawConnection.BytesAsync(Request(product, subject, string.Create(CultureInfo.InvariantCulture, $"{delay}s"))).GetAwaiter().GetResult();
                    if (connection.Call(request) != 202)
                    {
                        throw new InvalidOperationException(connection.LastAnswer);
                    }
                }
            },
            TaskCreationOptions.LongRunning)));
        var later = await DepthAsync(product, subject) - (Connections * each);
        if (DateTimeOffset.UtcNow < due)
        {
            await Task.Delay(due - DateTimeOffset.UtcNow);
        }

        var clock = Stopwatch.StartNew();
        while (await DepthAsync(product, subject) > later)
        {
            await Task.Delay(20);
        }

        report.Add("asynchronous invocations run", subject.Name, Connections * each / clock.Elapsed.TotalSeconds, "/s");
    }

    /// <summary>One at a time: from sending it until its answer is read, less what the same call takes while its caller waits.</summary>
    private static async Task LatencyAsync(Report report, Product product, Subject subject)
    {
        List<double> queued = [], direct = [];
        for (var i = -20; i < LatencyCalls; i++)
        {
            var clock = Stopwatch.StartNew();
            var accepted = JsonNode.Parse(await Load.SendAsync(product.Client, Request(product, subject, null)))!;
            var result = new HttpRequestMessage(HttpMethod.Get, $"{product.Address}/api/v1/invocations/{accepted["id"]!.GetValue<string>()}/result?wait=30s");
            result.Headers.Authorization = new("Bearer", product.Key);
            await Load.SendAsync(product.Client, result);
            var ofQueue = clock.Elapsed.TotalMilliseconds;
            clock.Restart();
            await Load.SendAsync(product.Client, subject.JsonRequest(product.Infer(subject.Name), product.Key));
            if (i >= 0)
            {
                queued.Add(ofQueue);
                direct.Add(clock.Elapsed.TotalMilliseconds);
            }
        }

        var added = new Samples(queued.Zip(direct, (q, d) => q - d));
        report.Add("added by the queue, one at a time, p50", subject.Name, added.P50, "ms", "<= 5", added.P50 <= 5);
        report.Add("added by the queue, one at a time, p99", subject.Name, added.P99, "ms");
    }

    private static HttpRequestMessage Request(Product product, Subject subject, string? delay)
    {
        var json = subject.Json;
        var body = new byte[Math.Max(BodyBytes, json.Length)];
        Array.Fill(body, (byte)' ');
        json.CopyTo(body, 0);
        var content = new ByteArrayContent(body);
        content.Headers.ContentType = new("application/json");
        var request = new HttpRequestMessage(HttpMethod.Post, product.Infer(subject.Name)) { Content = content };
        request.Headers.Authorization = new("Bearer", product.Key);
        request.Headers.Add("Dormouse-Mode", "async");
        if (delay is not null)
        {
            request.Headers.Add("Dormouse-Delay", delay);
        }

        return request;
    }

    private static async Task<long> DepthAsync(Product product, Subject subject)
    {
        var queue = (await product.ApiAsync(HttpMethod.Get, $"/api/v1/endpoints/{subject.Name}"))!["queue"];
        return queue is null ? 0 : queue["queued"]!.GetValue<long>() + queue["running"]!.GetValue<long>();
    }
}
