using System.Net.Http.Headers;

namespace Dormouse.Bench;

/// <summary>A queue that is asked over HTTP.</summary>
internal interface IQueue : IAsyncDisposable
{
    /// <summary>Queues an item of 1 KB that nobody begins while the benchmark lasts.</summary>
    HttpRequestMessage Later();

    /// <summary>Queues many over as many connections and then runs them. Returns the seconds from when they may run until the last has.</summary>
    Task<double> DrainAsync(int items, int connections);

    /// <summary>From here on items are run as they come.</summary>
    Task GoLiveAsync();

    /// <summary>One item, from sending it until its answer is read.</summary>
    Task ThroughAsync();

    /// <summary>The same work, answered at once.</summary>
    Task DirectAsync();
}

internal static class QueueItems
{
    private const int BodyBytes = 1024;

    /// <summary>JSON with spaces behind it, up to the size.</summary>
    public static ByteArrayContent Body(byte[] json)
    {
        var body = new byte[Math.Max(BodyBytes, json.Length)];
        Array.Fill(body, (byte)' ');
        json.CopyTo(body, 0);
        var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        return content;
    }

    /// <summary>Sends as many requests over as many connections, each of them made when it is its turn.</summary>
    public static Task SendAsync(int items, int connections, Func<HttpRequestMessage> request) => Task.WhenAll(Enumerable.Range(0, connections).Select(_ => Task.Factory.StartNew(
        () =>
        {
            using var sample = request();
            using var connection = RawConnection.Open(sample.RequestUri!, null);
            for (var i = 0; i < items / connections; i++)
            {
                if (connection.Call(RawConnection.BytesAsync(request()).GetAwaiter().GetResult()) != 202)
                {
                    throw new InvalidOperationException(connection.LastAnswer);
                }
            }
        },
        TaskCreationOptions.LongRunning)));
}
