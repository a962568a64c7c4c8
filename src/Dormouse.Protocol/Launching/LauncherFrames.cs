using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Dormouse.Protocol.Launching;

/// <summary>Frames between server and launcher: a 4-byte little-endian length, then that many bytes of JSON.</summary>
public static class LauncherFrames
{
    /// <summary>Bytes of the length in front of every frame.</summary>
    public const int HeaderBytes = 4;

    /// <summary>Longest body of a frame, bytes: an assignment of the longest packet, escaped, and its descriptors fit well.</summary>
    public const int BodyBytesMax = 1024 * 1024;

    /// <summary>One whole frame of <paramref name="message"/>, serialised as <typeparamref name="T"/> (the base type, so that it carries its discriminator).</summary>
    public static byte[] Pack<T>(T message, JsonTypeInfo<T> type)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(message, type);
        if (body.Length > BodyBytesMax)
            throw new InvalidDataException($"A launcher message has {body.Length} bytes; {BodyBytesMax} are allowed.");
        var frame = new byte[HeaderBytes + body.Length];
        BinaryPrimitives.WriteInt32LittleEndian(frame, body.Length);
        body.CopyTo(frame.AsSpan(HeaderBytes));
        return frame;
    }

    /// <summary>Takes the body of the first frame of <paramref name="buffer"/> when all of it has arrived.</summary>
    /// <param name="body">The JSON; the frame ends where it ends.</param>
    /// <exception cref="InvalidDataException">The length is negative or above <see cref="BodyBytesMax"/>: the stream is not ours.</exception>
    public static bool TryTake(ReadOnlyMemory<byte> buffer, out ReadOnlyMemory<byte> body)
    {
        body = default;
        if (buffer.Length < HeaderBytes)
            return false;
        var length = BinaryPrimitives.ReadInt32LittleEndian(buffer.Span);
        if (length is < 0 or > BodyBytesMax)
            throw new InvalidDataException($"A launcher frame of {length} bytes was announced; {BodyBytesMax} are allowed.");
        if (buffer.Length - HeaderBytes < length)
            return false;
        body = buffer.Slice(HeaderBytes, length);
        return true;
    }
}
