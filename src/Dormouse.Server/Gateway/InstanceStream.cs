using System.Net.Sockets;

namespace Dormouse.Server.Gateway;

/// <summary>
/// A connection to an instance that keeps an early answer. The client of HTTP/1.1 reads no answer before it has sent the whole request; an instance that
/// refuses a body and closes makes the sending fail, and the answer that already lies in the socket would be lost with it. So once there is an answer,
/// a write that fails counts as done and the rest of the body goes nowhere.
/// </summary>
internal sealed class InstanceStream(Socket socket) : NetworkStream(socket, ownsSocket: true)
{
    private bool _isRefused;

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_isRefused)
        {
            return ValueTask.CompletedTask;
        }

        var writing = base.WriteAsync(buffer, cancellationToken);
        return writing.IsCompletedSuccessfully ? writing : AwaitAsync(writing);
    }

    private async ValueTask AwaitAsync(ValueTask writing)
    {
        try
        {
            await writing;
        }
        catch (IOException fault) when (fault.InnerException is SocketException && HasAnswer())
        {
            // Nothing can follow on this connection: the client finds its end behind the answer.
            _isRefused = true;
        }
    }

    private bool HasAnswer()
    {
        try
        {
            return Socket.Available > 0;
        }
        catch (Exception fault) when (fault is SocketException or ObjectDisposedException)
        {
            return false;
        }
    }
}
