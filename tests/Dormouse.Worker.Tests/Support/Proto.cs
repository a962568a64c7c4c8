using System.Text;

namespace Dormouse.Worker.Tests.Support;

/// <summary>A protobuf message under construction: enough to write any ONNX file, right or wrong.</summary>
internal sealed class Proto
{
    private readonly MemoryStream _bytes = new();

    internal byte[] ToArray() => _bytes.ToArray();

    internal Proto Number(int field, long value)
    {
        Varint((ulong)field << 3);
        Varint((ulong)value);
        return this;
    }

    internal Proto Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

    internal Proto Message(int field, Proto value) => Bytes(field, value.ToArray());

    internal Proto Bytes(int field, ReadOnlySpan<byte> value)
    {
        Varint(((ulong)field << 3) | 2);
        Varint((ulong)value.Length);
        _bytes.Write(value);
        return this;
    }

    private void Varint(ulong value)
    {
        while (value >= 0x80)
        {
            _bytes.WriteByte((byte)(value | 0x80));
            value >>= 7;
        }

        _bytes.WriteByte((byte)value);
    }
}
