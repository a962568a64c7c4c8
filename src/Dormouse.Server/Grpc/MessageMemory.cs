namespace Dormouse.Server.Grpc;

/// <summary>
/// The memory that messages may take while they still come. Each is read whole, so without a bound a few hundred callers who send all but the last byte
/// would hold as many times <c>server.body_limit</c>. Callers without a key (of public endpoints) share a quarter of it.
/// </summary>
internal sealed class MessageMemory(long bytesMax, long keylessBytesMax)
{
    private readonly Lock _counts = new();
    private long _bytes;
    private long _keylessBytes;

    /// <summary>Bytes held now.</summary>
    public long Bytes
    {
        get
        {
            lock (_counts)
            {
                return _bytes;
            }
        }
    }

    /// <summary>An eighth of the machine's memory, and room for one message of the largest size whatever that is.</summary>
    public static MessageMemory For(long machineBytes, long messageBytesMax) =>
        new(Math.Max(machineBytes / 8, messageBytesMax), Math.Max(machineBytes / 32, messageBytesMax));

    /// <summary>False when there is no room; then nothing was taken.</summary>
    public bool TryTake(long bytes, bool hasKey)
    {
        lock (_counts)
        {
            if (_bytes + bytes > bytesMax || (!hasKey && _keylessBytes + bytes > keylessBytesMax))
            {
                return false;
            }

            _bytes += bytes;
            _keylessBytes += hasKey ? 0 : bytes;
            return true;
        }
    }

    public void GiveBack(long bytes, bool hasKey)
    {
        lock (_counts)
        {
            _bytes -= bytes;
            _keylessBytes -= hasKey ? 0 : bytes;
        }
    }
}
