using System.Buffers.Binary;

namespace Dormouse.Server.Batches.Inputs.Parquet;

/// <summary>Small numbers as runs of one number and as packed bits, as levels and places in a dictionary are written. They are read one by one: a run of a billion takes no room.</summary>
internal sealed class BitRuns
{
    private const int WidthMax = 32;

    private readonly byte[] _bytes;
    private readonly int _end;
    private readonly int _width;
    private int _at;
    private long _left;
    private bool _isPacked;
    private long _bit;
    private int _value;

    /// <param name="width">Bits of each number.</param>
    public BitRuns(byte[] bytes, int at, int end, int width) =>
        (_bytes, _at, _end, _width) = width is >= 0 and <= WidthMax && at <= end && end <= bytes.Length ? (bytes, at, end, width) : throw new ParquetFaultException("a page ends within its levels");

    /// <summary>With their length before them.</summary>
    public static BitRuns WithLength(byte[] bytes, ref int at, int width)
    {
        if (bytes.Length - at < sizeof(int) || BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at)) is var length && length > bytes.Length - at - sizeof(int))
        {
            throw new ParquetFaultException("a page ends within its levels");
        }

        var start = at + sizeof(int);
        at = start + (int)length;
        return new BitRuns(bytes, start, at, width);
    }

    public int Next()
    {
        if (_width == 0)
        {
            return 0;
        }

        while (_left == 0)
        {
            Begin();
        }

        _left--;
        if (!_isPacked)
        {
            return _value;
        }

        var value = (int)Bits.Read(_bytes, _end, _bit, _width);
        _bit += _width;
        return value;
    }

    private void Begin()
    {
        var head = Bits.Variable(_bytes, ref _at, _end);
        _isPacked = (head & 1) == 1;
        if (head >> 1 > int.MaxValue)
        {
            throw new ParquetFaultException("a run in a page is too long");
        }

        if (_isPacked)
        {
            var bytes = (long)(head >> 1) * _width;
            // The last of them may be cut at the end of the page: what is read of it is still checked.
            (_left, _bit) = ((long)(head >> 1) * 8, (long)_at * 8);
            _at = (int)Math.Min(_end, _at + bytes);
            return;
        }

        var width = (_width + 7) / 8;
        if (width > _end - _at)
        {
            throw new ParquetFaultException("a page ends within a run");
        }

        _value = 0;
        for (var i = 0; i < width; i++)
        {
            _value |= _bytes[_at++] << (8 * i);
        }

        _left = (long)(head >> 1);
    }
}

/// <summary>Numbers among the bits of a page.</summary>
internal static class Bits
{
    /// <param name="end">No byte from there on is read.</param>
    /// <param name="bit">Where it begins.</param>
    /// <param name="width">1 to 64 bits.</param>
    public static ulong Read(byte[] bytes, int end, long bit, int width)
    {
        if (bit + width > (long)end * 8)
        {
            throw new ParquetFaultException("a page ends within its values");
        }

        var (at, shift, value, have) = ((int)(bit / 8), (int)(bit % 8), 0UL, 0);
        while (have < width)
        {
            value |= (ulong)(bytes[at] >> shift) << have;
            have += 8 - shift;
            (at, shift) = (at + 1, 0);
        }

        return width == 64 ? value : value & ((1UL << width) - 1);
    }

    public static ulong Variable(byte[] bytes, ref int at, int end)
    {
        var value = 0UL;
        for (var shift = 0; shift < 70 && at < end; shift += 7)
        {
            var next = bytes[at++];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }

        throw new ParquetFaultException("a page ends within a number");
    }
}
