using System.Diagnostics;
using System.Globalization;

namespace Dormouse.Bench;

/// <summary>The servers a user would have written instead.</summary>
internal sealed class Peers(string root)
{
    private static readonly Dictionary<string, string> Quiet = new() { ["ORT_DISABLE_TELEMETRY"] = "1" };

    public bool HasNode { get; } = Directory.Exists(Path.Combine(root, "artifacts/bench/node/node_modules/onnxruntime-node"));

    public async Task<Peer> AspnetAsync(Subject subject)
    {
        var address = $"http://127.0.0.1:{Fresh.Port()}";
        return await ReadyAsync(Proc.Start(Path.Combine(root, "artifacts/bench/Aspnet/Aspnet"), [subject.Path, address], Quiet), address);
    }

    public async Task<Peer> NodeAsync(Subject subject)
    {
        var port = Fresh.Port();
        return await ReadyAsync(Proc.Start("node", [Path.Combine(root, "artifacts/bench/node/server.js"), subject.Path, port.ToString(CultureInfo.InvariantCulture)], Quiet), $"http://127.0.0.1:{port}");
    }

    public async Task<Peer> YarpAsync(string upstream)
    {
        var address = $"http://127.0.0.1:{Fresh.Port()}";
        return await ReadyAsync(Proc.Start(Path.Combine(root, "artifacts/bench/Yarp/Yarp"), [upstream, address]), address);
    }

    /// <summary>Process start to the first right answer.</summary>
    public Task<Samples> AspnetColdAsync(Subject subject, int runs) => ColdAsync(() => AspnetAsync(subject), subject, runs);

    public async Task<Samples?> NodeColdAsync(Subject subject, int runs) => HasNode ? await ColdAsync(() => NodeAsync(subject), subject, runs) : null;

    private static async Task<Samples> ColdAsync(Func<Task<Peer>> start, Subject subject, int runs)
    {
        var times = new List<double>();
        for (var i = 0; i < runs + 1; i++)
        {
            var clock = Stopwatch.StartNew();
            await using var peer = await start();
            await Load.SendAsync(peer.Client, subject.JsonRequest(peer.Address + "/infer"));
            if (i > 0)
            {
                times.Add(clock.Elapsed.TotalMilliseconds);
            }
        }

        return new Samples(times);
    }

    private static async Task<Peer> ReadyAsync(Proc process, string address)
    {
        var client = Load.Client();
        var clock = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                await client.GetAsync(address + "/health");
                return new Peer(process, client, address);
            }
            catch (HttpRequestException) when (clock.Elapsed.TotalSeconds < 30)
            {
                await Task.Delay(1);
            }
        }
    }
}

internal sealed record Peer(Proc Process, HttpClient Client, string Address) : IAsyncDisposable
{
    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Process.DisposeAsync();
    }
}
