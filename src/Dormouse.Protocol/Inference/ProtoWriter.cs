using System.Buffers;
using System.Numerics;
using System.Text;

namespace Dormouse.Protocol.Inference;

/// <summary>Writes protobuf fields. Lengths of nested messages are the caller's to know first.</summary>
internal readonly ref struct ProtoWriter(IBufferWriter<byte> destination)
{
    public static int VarintLength(ulong value) => 1 + (BitOperations.Log2(value | 1) / 7);

    /// <summary>Tag, length and payload of a length-delimited field; field numbers here are below 16, so a tag is one byte.</summary>
    public static int FieldLength(int payload) => checked(1 + VarintLength((uint)payload) + payload);

    public static int TextLength(string text) => text.Length == 0 ? 0 : FieldLength(Encoding.UTF8.GetByteCount(text));

    public void Tag(int field, WireType type) => Varint((ulong)((field << 3) | (int)type));

    public void Varint(ulong value)
    {
        var span = destination.GetSpan(10);
        var length = 0;
        for (; value >= 0x80; value >>= 7) span[length++] = (byte)(value | 0x80);
        span[length++] = (byte)value;
        destination.Advance(length);
    }

    /// <summary>Tag and length; the payload must follow.</summary>
    public void Header(int field, int payload)
    {
        Tag(field, WireType.Bytes);
        Varint((uint)payload);
    }

    /// <summary>An empty text is the default and is not written.</summary>
    public void Text(int field, string text)
    {
        if (text.Length == 0) return;
        var length = Encoding.UTF8.GetByteCount(text);
        Header(field, length);
        destination.Advance(Encoding.UTF8.GetBytes(text, destination.GetSpan(length)));
    }

    public void Bytes(ReadOnlySpan<byte> payload) => destination.Write(payload);
}
