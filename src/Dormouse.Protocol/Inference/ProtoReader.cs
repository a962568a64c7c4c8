using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;
using Dormouse.Protocol.Problems;

namespace Dormouse.Protocol.Inference;

/// <summary>
/// Steps through the fields of one protobuf message in place: no message objects, so tensors are copied once, and a worker does not pay
/// for building descriptors at its first call. The generated messages are its oracle in the tests.
/// </summary>
internal ref struct ProtoReader(ReadOnlySpan<byte> message)
{
    private const int FieldMax = (1 << 29) - 1;

    private readonly ReadOnlySpan<byte> _message = message;
    private int _position;
    private ReadOnlySpan<byte> _bytes;
    private ulong _number;

    /// <summary>Number of the field under the reader.</summary>
    public int Field { get; private set; }

    public WireType Type { get; private set; }

    /// <summary>The payload of a length-delimited field.</summary>
    public readonly ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>Payload of a varint, or the bits of a fixed one.</summary>
    public readonly ulong Number => _number;

    /// <summary>Moves to the next field; false at the end.</summary>
    /// <exception cref="InferenceException">The bytes are no protobuf message.</exception>
    public bool Next()
    {
        if (_position == _message.Length) return false;
        var tag = Varint(_message, ref _position);
        var field = tag >> 3;
        if (field is 0 or > FieldMax) throw Malformed("a field number out of range");
        Field = (int)field;
        Type = (WireType)(tag & 7);
        switch (Type)
        {
            case WireType.Varint:
                _number = Varint(_message, ref _position);
                break;
            case WireType.Fixed64:
                _number = BinaryPrimitives.ReadUInt64LittleEndian(Take(8));
                break;
            case WireType.Fixed32:
                _number = BinaryPrimitives.ReadUInt32LittleEndian(Take(4));
                break;
            case WireType.Bytes:
                var length = Varint(_message, ref _position);
                if (length > (ulong)(_message.Length - _position)) throw Malformed("a field longer than the message");
                _bytes = Take((int)length);
                break;
            default:
                throw Malformed($"wire type {(int)Type}");
        }

        return true;
    }

    /// <summary>True when the reader is on that field in that wire form; a known number in another form counts as unknown.</summary>
    public readonly bool Is(int field, WireType type) => Field == field && Type == type;

    /// <summary>The payload as text, which must be UTF-8.</summary>
    public readonly string Text() => Utf8.IsValid(_bytes) ? Encoding.UTF8.GetString(_bytes) : throw Malformed($"text in field {Field} that is not UTF-8");

    /// <summary>One varint of at most ten bytes.</summary>
    public static ulong Varint(ReadOnlySpan<byte> bytes, ref int position)
    {
        var value = 0UL;
        for (var shift = 0; shift < 70; shift += 7)
        {
            if ((uint)position >= (uint)bytes.Length) throw Malformed("an end inside a number");
            var next = bytes[position++];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80) return value;
        }

        throw Malformed("a number of more than ten bytes");
    }

    public static InferenceException Malformed(string what) =>
        new(ProblemCode.RequestInvalid, $"the request is not a ModelInferRequest message: it has {what}");

    private ReadOnlySpan<byte> Take(int length)
    {
        if (_message.Length - _position < length) throw Malformed("an end inside a field");
        var taken = _message.Slice(_position, length);
        _position += length;
        return taken;
    }
}

/// <summary>How a field is written; 3 and 4, the groups of old, are not read.</summary>
internal enum WireType
{
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}
