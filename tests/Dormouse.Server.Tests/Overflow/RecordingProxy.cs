using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Dormouse.Server.Tests.Overflow;

/// <summary>Passes one connection on to a server and keeps the head of its first request; without a server it reads the request and hangs up.</summary>
internal sealed class RecordingProxy : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Task<string> _work;

    public RecordingProxy(Uri? to)
    {
        _listener.Start();
        _work = ServeAsync(to);
    }

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");

    public Task<string> HeadAsync(CancellationToken cancellationToken) => _work.WaitAsync(cancellationToken);

    public void Dispose() => _listener.Dispose();

    private async Task<string> ServeAsync(Uri? to)
    {
        using var caller = await _listener.AcceptTcpClientAsync();
        var stream = caller.GetStream();
        var buffer = new byte[65_536];
        var count = 0;
        while (!Encoding.Latin1.GetString(buffer, 0, count).Contains("\"inputs\"", StringComparison.Ordinal))
        {
            count += await stream.ReadAsync(buffer.AsMemory(count));
        }

        var text = Encoding.Latin1.GetString(buffer, 0, count);
        if (to is not null)
        {
            using var server = new TcpClient();
            await server.ConnectAsync(IPAddress.Loopback, to.Port);
            await server.GetStream().WriteAsync(buffer.AsMemory(0, count));
            var answer = new byte[65_536];
            var length = await server.GetStream().ReadAsync(answer);
            await stream.WriteAsync(answer.AsMemory(0, length));
            // The rest of a short answer, when it comes in two parts.
            while (!Encoding.Latin1.GetString(answer, 0, length).EndsWith("there", StringComparison.Ordinal))
            {
                var more = await server.GetStream().ReadAsync(answer.AsMemory(length));
                await stream.WriteAsync(answer.AsMemory(length, more));
                length += more;
            }
        }

        return text;
    }
}
