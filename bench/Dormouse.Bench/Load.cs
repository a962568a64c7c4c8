using System.Diagnostics;

namespace Dormouse.Bench;

/// <summary>A closed-loop load: each connection sends its next request when the last answer is read.</summary>
internal static class Load
{
    /// <summary>Runs for <paramref name="seconds"/> after one warm-up second. Any answer that is not a success ends the benchmark.</summary>
    public static async Task<(double PerSecond, Samples Milliseconds)> RunAsync(HttpClient client, Func<HttpRequestMessage> request, int connections, double seconds)
    {
        var clock = Stopwatch.StartNew();
        var times = new List<double>[connections];
        var workers = Enumerable.Range(0, connections).Select(i => Task.Run(async () =>
        {
            var mine = times[i] = [];
            while (clock.Elapsed.TotalSeconds < seconds + 1)
            {
                var started = clock.Elapsed;
                await SendAsync(client, request());
                if (started.TotalSeconds >= 1)
                {
                    mine.Add((clock.Elapsed - started).TotalMilliseconds);
                }
            }
        }));
        await Task.WhenAll(workers);
        var all = times.SelectMany(t => t).ToArray();
        return (all.Length / seconds, new Samples(all));
    }

    public static async Task<byte[]> SendAsync(HttpClient client, HttpRequestMessage request)
    {
        using (request)
        {
            using var response = await client.SendAsync(request);
            var body = await response.Content.ReadAsByteArrayAsync();
            return response.IsSuccessStatusCode
                ? body
                : throw new InvalidOperationException($"{request.RequestUri} answered {(int)response.StatusCode}: {System.Text.Encoding.UTF8.GetString(body)}");
        }
    }

    public static HttpClient Client() => new(new SocketsHttpHandler { PooledConnectionIdleTimeout = TimeSpan.FromMinutes(5) }) { Timeout = TimeSpan.FromMinutes(2) };

    /// <summary>A client whose every connection goes to one Unix socket.</summary>
    public static HttpClient SocketClient(string path) => new(new SocketsHttpHandler
    {
        ConnectCallback = async (_, cancellationToken) =>
        {
            var socket = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
            await socket.ConnectAsync(new System.Net.Sockets.UnixDomainSocketEndPoint(path), cancellationToken);
            return new System.Net.Sockets.NetworkStream(socket, ownsSocket: true);
        },
    })
    { BaseAddress = new Uri("http://instance") };
}
