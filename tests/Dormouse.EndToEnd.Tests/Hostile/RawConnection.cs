using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Hostile;

/// <summary>An answer as it came over the wire.</summary>
internal sealed record RawAnswer(int Status, string ContentType, string Body);

/// <summary>A connection that sends what no well-behaved client would: paths as written, half requests, bytes one by one.</summary>
internal sealed class RawConnection : IDisposable
{
    private readonly Socket _socket;
    private readonly NetworkStream _stream;

    private RawConnection(Socket socket)
    {
        _socket = socket;
        _stream = new NetworkStream(socket, ownsSocket: true);
    }

    /// <param name="receiveBytes">A small buffer makes the server notice at once that nobody reads.</param>
    public static async Task<RawConnection> OpenAsync(RunningServer server, CancellationToken cancellationToken, int? receiveBytes = null)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        if (receiveBytes is { } bytes)
        {
            socket.ReceiveBufferSize = bytes;
        }

        await socket.ConnectAsync(server.Address.Host, server.Address.Port, cancellationToken);
        return new RawConnection(socket);
    }

    /// <summary>One request with the path as it is written, on a connection of its own.</summary>
    public static async Task<RawAnswer> AskAsync(RunningServer server, string method, string path, string body, CancellationToken cancellationToken)
    {
        using var connection = await OpenAsync(server, cancellationToken);
        await connection.SendAsync(Head(server, method, path, $"Content-Length: {Encoding.UTF8.GetByteCount(body)}\r\nConnection: close") + body, cancellationToken);
        return await connection.AnswerAsync(cancellationToken);
    }

    public static string Head(RunningServer server, string method, string path, string headers) =>
        $"{method} {path} HTTP/1.1\r\nHost: {server.Address.Authority}\r\nAuthorization: Bearer {server.Key}\r\nContent-Type: application/json\r\n{headers}\r\n\r\n";

    public ValueTask SendAsync(string text, CancellationToken cancellationToken) => SendAsync(Encoding.UTF8.GetBytes(text), cancellationToken);

    public ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => _stream.WriteAsync(bytes, cancellationToken);

    /// <summary>Reads the first bytes of the answer and no more.</summary>
    public async Task<string> BeginAnswerAsync(int bytes, CancellationToken cancellationToken)
    {
        var first = new byte[bytes];
        await _stream.ReadExactlyAsync(first, cancellationToken);
        return Encoding.Latin1.GetString(first);
    }

    /// <summary>Bytes that still come until the server ends the connection, in whatever way.</summary>
    public async Task<long> DrainAsync(CancellationToken cancellationToken)
    {
        var buffer = new byte[64 * 1024];
        long total = 0;
        try
        {
            int read;
            while ((read = await _stream.ReadAsync(buffer, cancellationToken)) > 0)
            {
                total += read;
            }
        }
        catch (IOException)
        {
            // The server cut it: also an end.
        }

        return total;
    }

    /// <summary>One answer: its head, and its body by its length or to the end of the connection.</summary>
    public async Task<RawAnswer> AnswerAsync(CancellationToken cancellationToken)
    {
        var received = new MemoryStream();
        var buffer = new byte[16 * 1024];
        while (true)
        {
            var text = Encoding.UTF8.GetString(received.GetBuffer(), 0, (int)received.Length);
            var end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            var length = end < 0 ? null : Header(text[..end], "Content-Length");
            if (length is not null && Encoding.UTF8.GetByteCount(text[(end + 4)..]) >= int.Parse(length, CultureInfo.InvariantCulture))
            {
                return Parse(text, end);
            }

            var read = await _stream.ReadAsync(buffer, cancellationToken);
            if (read == 0)
            {
                return end < 0 ? throw new EndOfStreamException($"The server ended the connection after '{text}'.") : Parse(text, end);
            }

            received.Write(buffer, 0, read);
        }
    }

    public void Dispose()
    {
        _stream.Dispose();
        _socket.Dispose();
    }

    private static RawAnswer Parse(string text, int end) => new(
        int.Parse(text.AsSpan("HTTP/1.1 ".Length, 3), CultureInfo.InvariantCulture), Header(text[..end], "Content-Type") ?? "", text[(end + 4)..]);

    private static string? Header(string head, string name) => head.Split("\r\n")
        .FirstOrDefault(l => l.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase))?[(name.Length + 1)..].Trim();
}
