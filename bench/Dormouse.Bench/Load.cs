using System.Diagnostics;

namespace Dormouse.Bench;

/// <summary>A closed-loop load: each connection sends its next request when the last answer is read.</summary>
internal static class Load
{
    /// <summary>
    /// Runs for <paramref name="seconds"/> after one warm-up second; a thread and a connection for each caller. Any answer that is not a success ends the benchmark.
    /// </summary>
    /// <param name="socketPath">Unix socket to call instead of the request's host.</param>
    public static async Task<(double PerSecond, Samples Milliseconds)> RunAsync(Func<HttpRequestMessage> request, int connections, double seconds, string? socketPath = null)
    {
        using var sample = request();
        var address = sample.RequestUri!;
        var bytes = await RawConnection.BytesAsync(request());
        var clock = Stopwatch.StartNew();
        var callers = Enumerable.Range(0, connections).Select(_ => Task.Factory.StartNew(() => Repeat(address, bytes, socketPath, clock, seconds), TaskCreationOptions.LongRunning)).ToArray();
        var all = (await Task.WhenAll(callers)).SelectMany(t => t).ToArray();
        return (all.Length / seconds, new Samples(all));
    }

    private static List<double> Repeat(Uri address, byte[] request, string? socketPath, Stopwatch clock, double seconds)
    {
        List<double> times = [];
        using var connection = RawConnection.Open(address, socketPath);
        while (clock.Elapsed.TotalSeconds < seconds + 1)
        {
            var started = clock.Elapsed;
            if (connection.Call(request) is < 200 or > 299)
            {
                throw new InvalidOperationException($"{address} answered: {connection.LastAnswer}");
            }

            if (started.TotalSeconds >= 1)
            {
                times.Add((clock.Elapsed - started).TotalMilliseconds);
            }
        }

        return times;
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
