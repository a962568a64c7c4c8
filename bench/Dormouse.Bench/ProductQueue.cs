using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Dormouse.Bench;

/// <summary>Asynchronous invocations of the bundled model, which runs in microseconds.</summary>
internal sealed class ProductQueue(Product product, Subject subject) : IQueue
{
    public static async Task<IQueue> StartAsync(string root, Subject subject, string? storage)
    {
        Dictionary<string, string> environment = new() { ["DORMOUSE_QUEUES__LIMIT"] = "10000000" };
        if (storage is not null)
        {
            environment["DORMOUSE_STORAGE"] = storage;
        }

        var product = await Product.StartAsync(root, Fresh.Folder(), environment: environment);
        await product.DeployAsync(subject.Name, subject.Path);
        return new ProductQueue(product, subject);
    }

    public HttpRequestMessage Later() => Request("24h");

    public async Task<double> DrainAsync(int items, int connections)
    {
        // Held back by their delay, so that accepting and running do not share the measured time.
        var due = DateTimeOffset.UtcNow + TimeSpan.FromSeconds(Quick.Or(5, 20));
        await QueueItems.SendAsync(items, connections, () => Request(string.Create(CultureInfo.InvariantCulture, $"{Math.Max(1, (int)(due - DateTimeOffset.UtcNow).TotalSeconds)}s")));
        var rest = await DepthAsync() - items;
        if (DateTimeOffset.UtcNow < due)
        {
            await Task.Delay(due - DateTimeOffset.UtcNow);
        }

        var clock = Stopwatch.StartNew();
        while (await DepthAsync() > rest)
        {
            await Task.Delay(20);
        }

        return clock.Elapsed.TotalSeconds;
    }

    public Task GoLiveAsync() => DirectAsync();

    public async Task ThroughAsync()
    {
        var accepted = JsonNode.Parse(await Load.SendAsync(product.Client, Request(null)))!;
        var result = new HttpRequestMessage(HttpMethod.Get, $"{product.Address}/api/v1/invocations/{accepted["id"]!.GetValue<string>()}/result?wait=30s");
        result.Headers.Authorization = new("Bearer", product.Key);
        await Load.SendAsync(product.Client, result);
    }

    public Task DirectAsync() => Load.SendAsync(product.Client, subject.JsonRequest(product.Infer(subject.Name), product.Key));

    public ValueTask DisposeAsync() => product.DisposeAsync();

    private HttpRequestMessage Request(string? delay)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, product.Infer(subject.Name)) { Content = QueueItems.Body(subject.Json) };
        request.Headers.Authorization = new("Bearer", product.Key);
        request.Headers.Add("Dormouse-Mode", "async");
        if (delay is not null)
        {
            request.Headers.Add("Dormouse-Delay", delay);
            request.Headers.Add("Dormouse-Time-To-Live", "48h");
        }

        return request;
    }

    private async Task<long> DepthAsync()
    {
        var queue = (await product.ApiAsync(HttpMethod.Get, $"/api/v1/endpoints/{subject.Name}"))!["queue"];
        return queue is null ? 0 : queue["queued"]!.GetValue<long>() + queue["running"]!.GetValue<long>();
    }
}
