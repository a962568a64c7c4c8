namespace Dormouse.Worker.Inspection;

/// <summary>
/// Walks the fields of one protobuf message without building anything: what is not asked for is stepped over, so gigabytes of weights cost
/// nothing (their pages are never touched). Written by hand because the library's reader can neither recurse into a message nor skip one
/// inside a mapped file without generated classes, which would copy the weights.
/// </summary>
internal ref struct OnnxFields(ReadOnlySpan<byte> message)
{
    internal const int Varint = 0;
    internal const int Fixed64 = 1;
    internal const int LengthDelimited = 2;
    internal const int Fixed32 = 5;

    private readonly ReadOnlySpan<byte> _message = message;
    private int _position;

    /// <summary>Number of the field that <see cref="Next"/> stepped to.</summary>
    public int Field { get; private set; }

    /// <summary>How the field is written; one of the constants.</summary>
    public int Form { get; private set; }

    /// <summary>Value of a <see cref="Varint"/> field.</summary>
    public ulong Number { get; private set; }

    /// <summary>Content of a <see cref="LengthDelimited"/> field.</summary>
    public ReadOnlySpan<byte> Content { get; private set; }

    /// <summary>Steps to the next field; false at the end. Throws <see cref="ProtoException"/> when the bytes are no message.</summary>
    public bool Next()
    {
        if (_position == _message.Length)
        {
            return false;
        }

        var tag = ReadVarint();
        Field = tag >> 3 is > 0 and <= 0x1FFFFFFF ? (int)(tag >> 3) : throw new ProtoException(isCut: false);
        Form = (int)(tag & 7);
        Number = 0;
        Content = default;
        switch (Form)
        {
            case Varint:
                Number = ReadVarint();
                break;
            case Fixed64:
                Take(8);
                break;
            case LengthDelimited:
                Content = Take(ReadVarint());
                break;
            case Fixed32:
                Take(4);
                break;
            default:
                throw new ProtoException(isCut: false);
        }

        return true;
    }

    private ReadOnlySpan<byte> Take(ulong length)
    {
        if (length > (ulong)(_message.Length - _position))
        {
            throw new ProtoException(isCut: true);
        }

        var taken = _message.Slice(_position, (int)length);
        _position += (int)length;
        return taken;
    }

    private ulong ReadVarint()
    {
        ulong value = 0;
        for (var shift = 0; shift < 70; shift += 7)
        {
            if (_position == _message.Length)
            {
                throw new ProtoException(isCut: true);
            }

            var part = _message[_position++];
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
            {
                return value;
            }
        }

        throw new ProtoException(isCut: false);
    }
}

/// <summary>The bytes are no protobuf message.</summary>
/// <param name="isCut">They may be the beginning of one: a length runs over the end.</param>
internal sealed class ProtoException(bool isCut) : Exception(isCut ? "The message ends early." : "The bytes are no message.")
{
    internal bool IsCut { get; } = isCut;
}
