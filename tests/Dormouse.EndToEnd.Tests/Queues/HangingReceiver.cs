using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Dormouse.EndToEnd.Tests.Queues;

/// <summary>Reads each request whole; answers 200, or nothing.</summary>
internal sealed class HangingReceiver : IDisposable
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentQueue<string> _ids = new();

    public HangingReceiver()
    {
        _listener.Start();
        _ = ServeAsync();
    }

    public volatile bool IsHanging;

    public string Url => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/hook";

    /// <summary>Of every request, as often as it came.</summary>
    public IReadOnlyList<string> Ids => [.. _ids];

    public void Dispose() => _listener.Dispose();

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                _ = AnswerAsync(await _listener.AcceptTcpClientAsync(Cancelled));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The test is over.
        }
    }

    private async Task AnswerAsync(TcpClient caller)
    {
        using var owned = caller;
        var text = new StringBuilder();
        var buffer = new byte[8192];
        try
        {
            int count;
            while ((count = await caller.GetStream().ReadAsync(buffer, Cancelled)) > 0)
            {
                text.Append(Encoding.UTF8.GetString(buffer, 0, count));
                if (text.ToString() is var whole && whole.IndexOf("\r\n\r\n", StringComparison.Ordinal) is > 0 and var end && whole.Length > end + 4 && whole.EndsWith('}'))
                {
                    _ids.Enqueue(whole.Split("webhook-id: ")[1].Split('\r')[0]);
                    if (IsHanging)
                    {
                        await Task.Delay(Timeout.Infinite, Cancelled);
                    }

                    await caller.GetStream().WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"u8.ToArray(), Cancelled);
                    return;
                }
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The server was killed, or the test is over.
        }
    }
}
