using System.Buffers;
using Dormouse.Server.Gateway;
using Grpc.Core;

namespace Dormouse.Server.Grpc;

/// <summary>A message as its bytes, in a pooled buffer: the gateway routes inferences and does not parse them.</summary>
internal sealed class GrpcMessage : IDisposable
{
    /// <summary>Receives and sends the bytes as they are. A sent message is given back to the pool.</summary>
    public static readonly Marshaller<GrpcMessage> Marshaller = Marshallers.Create(Send, Receive);

    private byte[]? _buffer;

    /// <summary>An empty message with room for <paramref name="length"/> bytes.</summary>
    public GrpcMessage(int length)
    {
        _buffer = ArrayPool<byte>.Shared.Rent(length);
        Length = length;
    }

    public int Length { get; }

    /// <summary>Sent before the bytes; lets an answer be wrapped without being copied.</summary>
    public byte[] Prefix { get; init; } = [];

    public Memory<byte> Memory => (_buffer ?? throw new ObjectDisposedException(nameof(GrpcMessage))).AsMemory(0, Length);

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _buffer, null) is { } buffer)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Hands the bytes over; this message must not be used afterwards.</summary>
    public DetachedBody Detach() => new(Interlocked.Exchange(ref _buffer, null) ?? throw new ObjectDisposedException(nameof(GrpcMessage)), Length, null);

    /// <summary>The same bytes behind a prefix; this message must not be used afterwards.</summary>
    public GrpcMessage WithPrefix(byte[] prefix)
    {
        var buffer = Interlocked.Exchange(ref _buffer, null) ?? throw new ObjectDisposedException(nameof(GrpcMessage));
        return new GrpcMessage(buffer, Length) { Prefix = prefix };
    }

    private GrpcMessage(byte[] buffer, int length)
    {
        _buffer = buffer;
        Length = length;
    }

    private static GrpcMessage Receive(DeserializationContext context)
    {
        var message = new GrpcMessage(context.PayloadLength);
        context.PayloadAsReadOnlySequence().CopyTo(message.Memory.Span);
        return message;
    }

    private static void Send(GrpcMessage message, SerializationContext context)
    {
        context.SetPayloadLength(message.Prefix.Length + message.Length);
        var writer = context.GetBufferWriter();
        writer.Write(message.Prefix);
        writer.Write(message.Memory.Span);
        context.Complete();
        message.Dispose();
    }
}
