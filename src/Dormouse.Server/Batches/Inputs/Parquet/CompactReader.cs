namespace Dormouse.Server.Batches.Inputs.Parquet;

/// <summary>Kinds of a value in Thrift's compact protocol.</summary>
internal enum CompactKind : byte
{
    Stop = 0,
    True = 1,
    False = 2,
    Byte = 3,
    Int16 = 4,
    Int32 = 5,
    Int64 = 6,
    Double = 7,
    Binary = 8,
    List = 9,
    Set = 10,
    Map = 11,
    Struct = 12,
    Uuid = 13,
}

/// <summary>
/// Reads Thrift's compact protocol, in which Parquet writes its footer and the headers of its pages. Every length and count is held against the bytes that are there and every depth against a
/// bound, so that no input makes it allocate, recurse or run further than its own bytes go.
/// </summary>
/// <remarks>https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md</remarks>
internal ref struct CompactReader(ReadOnlySpan<byte> bytes)
{
    private const int DepthMax = 32;

    private const int ListLong = 15;

    private readonly ReadOnlySpan<byte> _bytes = bytes;

    public int Position { get; set; }

    /// <summary>The next field of a structure; false at its end.</summary>
    /// <param name="id">The field before; 0 before the first one.</param>
    public bool NextField(ref int id, out CompactKind kind)
    {
        var head = Byte();
        kind = (CompactKind)(head & 0x0F);
        if (kind == CompactKind.Stop)
        {
            return false;
        }

        id = head >> 4 is > 0 and var step ? id + step : (int)Number();
        return true;
    }

    /// <summary>A whole number of any width.</summary>
    public long Number()
    {
        var raw = Variable();
        return (long)(raw >> 1) ^ -(long)(raw & 1);
    }

    public int Int32() => Number() is >= int.MinValue and <= int.MaxValue and var number ? (int)number : throw new ParquetFaultException("a number is too large");

    public ReadOnlySpan<byte> Binary()
    {
        var length = Variable();
        if (length > (ulong)(_bytes.Length - Position))
        {
            throw new ParquetFaultException("it ends within a text", isCut: true);
        }

        var binary = _bytes.Slice(Position, (int)length);
        Position += (int)length;
        return binary;
    }

    /// <summary>How many elements follow: never more than bytes do.</summary>
    public int List(CompactKind of)
    {
        var (count, kind) = ListHead();
        return kind == of || count == 0 ? count : throw new ParquetFaultException("a list has elements of another kind");
    }

    public void Skip(CompactKind kind) => Skip(kind, 0);

    private void Skip(CompactKind kind, int depth)
    {
        if (depth > DepthMax)
        {
            throw new ParquetFaultException("its structures lie too deep in each other");
        }

        switch (kind)
        {
            case CompactKind.True or CompactKind.False:
                break;
            case CompactKind.Byte:
                Byte();
                break;
            case CompactKind.Int16 or CompactKind.Int32 or CompactKind.Int64:
                Variable();
                break;
            case CompactKind.Double:
                Pass(sizeof(double));
                break;
            case CompactKind.Uuid:
                Pass(16);
                break;
            case CompactKind.Binary:
                Binary();
                break;
            case CompactKind.List or CompactKind.Set:
                var (count, element) = ListHead();
                for (var i = 0; i < count; i++)
                {
                    SkipElement(element, depth);
                }

                break;
            case CompactKind.Struct:
                for (var id = 0; NextField(ref id, out var field);)
                {
                    Skip(field, depth + 1);
                }

                break;
            default:
                throw new ParquetFaultException("it has a field of a kind that Parquet does not use");
        }
    }

    /// <summary>A truth value is a byte of its own in a list, and none as a field.</summary>
    private void SkipElement(CompactKind element, int depth) => Skip(element is CompactKind.True or CompactKind.False ? CompactKind.Byte : element, depth + 1);

    private (int Count, CompactKind Kind) ListHead()
    {
        var head = Byte();
        var count = head >> 4 == ListLong ? Variable() : (ulong)(head >> 4);
        return count <= (ulong)(_bytes.Length - Position) ? ((int)count, (CompactKind)(head & 0x0F)) : throw new ParquetFaultException("it ends within a list", isCut: true);
    }

    private ulong Variable()
    {
        var value = 0UL;
        for (var shift = 0; shift < 70; shift += 7)
        {
            var next = Byte();
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }

        throw new ParquetFaultException("a number has too many bytes");
    }

    private byte Byte() => Position < _bytes.Length ? _bytes[Position++] : throw new ParquetFaultException("it ends within a structure", isCut: true);

    private void Pass(int count)
    {
        if (count > _bytes.Length - Position)
        {
            throw new ParquetFaultException("it ends within a structure", isCut: true);
        }

        Position += count;
    }
}

/// <summary>A Parquet file that is damaged, or has something that is not read.</summary>
/// <param name="isCut">More bytes might complete it.</param>
internal sealed class ParquetFaultException(string message, bool isCut = false) : Exception(message)
{
    public bool IsCut => isCut;
}
