using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Dormouse.Bench;

/// <summary>
/// One HTTP/1.1 connection that sends the same bytes over and over and reads answers as far as needed to know that they are whole. A client that makes and parses messages
/// would take a good part of the machine that server and client share.
/// </summary>
internal sealed class RawConnection : IDisposable
{
    private readonly Socket _socket;
    private byte[] _buffer = new byte[64 * 1024];
    private int _length;

    private RawConnection(Socket socket) => _socket = socket;

    /// <param name="address">Where a request goes; its host is not looked at when <paramref name="socketPath"/> is given.</param>
    public static RawConnection Open(Uri address, string? socketPath)
    {
        var socket = socketPath is null
            ? new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true }
            : new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(socketPath is null ? new IPEndPoint(IPAddress.Parse(address.Host), address.Port) : new UnixDomainSocketEndPoint(socketPath));
        return new RawConnection(socket);
    }

    /// <summary>A request as it goes over the wire.</summary>
    public static async Task<byte[]> BytesAsync(HttpRequestMessage request)
    {
        using (request)
        {
            var body = request.Content is null ? [] : await request.Content.ReadAsByteArrayAsync();
            var head = new StringBuilder($"{request.Method} {request.RequestUri!.PathAndQuery} HTTP/1.1\r\nHost: {request.RequestUri.Authority}\r\n");
            foreach (var (name, values) in request.Headers.Concat(request.Content?.Headers.Where(h => h.Key != "Content-Length") ?? []))
            {
                head.Append(name).Append(": ").AppendJoin(", ", values).Append("\r\n");
            }

            head.Append(CultureInfo.InvariantCulture, $"Content-Length: {body.Length}\r\n\r\n");
            return [.. Encoding.ASCII.GetBytes(head.ToString()), .. body];
        }
    }

    /// <summary>Sends a request and waits for its whole answer. Returns the answer's status.</summary>
    public int Call(ReadOnlySpan<byte> request)
    {
        while (!request.IsEmpty)
        {
            request = request[_socket.Send(request)..];
        }

        _length = 0;
        int headEnd;
        while ((headEnd = _buffer.AsSpan(0, _length).IndexOf("\r\n\r\n"u8)) < 0)
        {
            Read();
        }

        var head = Encoding.ASCII.GetString(_buffer, 0, headEnd);
        if (Header(head, "Content-Length") is { } length)
        {
            ReadUpTo(headEnd + 4 + int.Parse(length, CultureInfo.InvariantCulture));
        }
        else if (Header(head, "Transfer-Encoding") is not null)
        {
            SkipChunks(headEnd + 4);
        }

        return int.Parse(head.AsSpan(9, 3), CultureInfo.InvariantCulture);
    }

    /// <summary>What the last answer was, for a message.</summary>
    public string LastAnswer => Encoding.UTF8.GetString(_buffer, 0, Math.Min(_length, 2_000));

    public void Dispose() => _socket.Dispose();

    private static string? Header(string head, string name)
    {
        var at = head.IndexOf("\r\n" + name + ":", StringComparison.OrdinalIgnoreCase);
        if (at < 0)
        {
            return null;
        }

        var from = at + name.Length + 3;
        var to = head.IndexOf("\r\n", from, StringComparison.Ordinal);
        return (to < 0 ? head[from..] : head[from..to]).Trim();
    }

    private void SkipChunks(int at)
    {
        while (true)
        {
            int lineEnd;
            while ((lineEnd = _buffer.AsSpan(at, _length - at).IndexOf("\r\n"u8)) < 0)
            {
                Read();
            }

            var size = int.Parse(Encoding.ASCII.GetString(_buffer, at, lineEnd).Split(';')[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            at += lineEnd + 2 + size + 2;
            ReadUpTo(at);
            if (size == 0)
            {
                return;
            }
        }
    }

    private void ReadUpTo(int length)
    {
        while (_length < length)
        {
            Read();
        }
    }

    private void Read()
    {
        if (_length == _buffer.Length)
        {
            Array.Resize(ref _buffer, _buffer.Length * 2);
        }

        var read = _socket.Receive(_buffer.AsSpan(_length));
        _length += read > 0 ? read : throw new InvalidOperationException("The server ended a connection in the middle of an answer.");
    }
}
