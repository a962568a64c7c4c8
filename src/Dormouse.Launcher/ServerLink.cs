using System.Text.Json;
using Dormouse.Launcher.Kernel;
using Dormouse.Protocol.Launching;

namespace Dormouse.Launcher;

/// <summary>The one connection to the server: frames in, frames out, never blocking.</summary>
internal sealed class ServerLink(int socket)
{
    /// <summary>Above this many unsent bytes the server is slow: lines of programs are dropped until it has caught up.</summary>
    private const int CongestedBytes = 1024 * 1024;

    /// <summary>Above this many unsent bytes the server counts as hung.</summary>
    private const int UnsentBytesMax = 64 * 1024 * 1024;

    private readonly Queue<byte[]> _unsent = [];
    private int _sentOfFirst;
    private long _unsentBytes;
    private byte[] _received = new byte[64 * 1024];
    private int _receivedBytes;

    public int Socket { get; } = socket;

    /// <summary>The server is gone, or speaks another language: everything ends.</summary>
    public bool HasEnded { get; private set; }

    public bool HasUnsent => _unsent.Count > 0;

    public bool IsCongested => _unsentBytes > CongestedBytes;

    public void Send(LauncherEvent happened)
    {
        if (HasEnded)
            return;
        var frame = LauncherFrames.Pack(happened, LauncherJson.Default.LauncherEvent);
        _unsent.Enqueue(frame);
        _unsentBytes += frame.Length;
        Flush();
        if (_unsentBytes > UnsentBytesMax)
            HasEnded = true;
    }

    public void Flush()
    {
        while (!HasEnded && _unsent.TryPeek(out var frame))
        {
            var sent = Descriptors.Send(Socket, frame.AsSpan(_sentOfFirst));
            if (sent < 0)
                HasEnded = true;
            if (sent <= 0)
                return;
            _sentOfFirst += sent;
            _unsentBytes -= sent;
            if (_sentOfFirst < frame.Length)
                return;
            _sentOfFirst = 0;
            _unsent.Dequeue();
        }
    }

    /// <summary>Reads what has arrived and hands on each whole command.</summary>
    public void Receive(Action<LauncherCommand> handle)
    {
        var count = Descriptors.Receive(Socket, _received.AsSpan(_receivedBytes));
        if (count < 0)
            return;
        if (count == 0)
        {
            HasEnded = true;
            return;
        }

        _receivedBytes += count;
        try
        {
            var taken = 0;
            while (LauncherFrames.TryTake(_received.AsMemory(taken, _receivedBytes - taken), out var body))
            {
                taken += LauncherFrames.HeaderBytes + body.Length;
                if (JsonSerializer.Deserialize(body.Span, LauncherJson.Default.LauncherCommand) is { } command)
                    handle(command);
            }

            _received.AsSpan(taken, _receivedBytes - taken).CopyTo(_received);
            _receivedBytes -= taken;
        }
        catch (Exception exception) when (exception is InvalidDataException or JsonException)
        {
            Console.Error.WriteLine($"The server sent what the launcher cannot read: {exception.Message}");
            HasEnded = true;
        }

        if (_receivedBytes == _received.Length)
            Array.Resize(ref _received, Math.Min(_received.Length * 2, LauncherFrames.HeaderBytes + LauncherFrames.BodyBytesMax));
    }
}
