namespace Dormouse.Server.Batches.Inputs.Parquet;

/// <summary>Whole numbers as differences in blocks of packed bits, each block with the width that it needs.</summary>
internal sealed class DeltaNumbers
{
    private const int BlockMax = 1 << 20;

    private readonly byte[] _bytes;
    private readonly int _perMiniature;
    private readonly byte[] _widths;
    private int _at;
    private long _value;
    private long _smallest;
    private int _miniature;
    private int _inMiniature;
    private bool _isFirst = true;
    private int _read;

    public DeltaNumbers(byte[] bytes, int at)
    {
        (_bytes, _at) = (bytes, at);
        var block = Bits.Variable(bytes, ref _at, bytes.Length);
        var miniatures = Bits.Variable(bytes, ref _at, bytes.Length);
        var count = Bits.Variable(bytes, ref _at, bytes.Length);
        if (block is 0 or > BlockMax || miniatures == 0 || miniatures > block || block % miniatures != 0 || block / miniatures % 8 != 0 || count > int.MaxValue)
        {
            throw new ParquetFaultException("a page has blocks that cannot be");
        }

        (_perMiniature, _widths, Count) = ((int)(block / miniatures), new byte[miniatures], (int)count);
        _value = Signed();
        (_miniature, _inMiniature) = (_widths.Length, 0);
    }

    public int Count { get; }

    /// <summary>Behind the last number, when all were read.</summary>
    public int End => _inMiniature == 0 ? _at : _at + (_perMiniature * _widths[_miniature] / 8);

    public long Next()
    {
        if (_read++ >= Count)
        {
            throw new ParquetFaultException("a page has fewer numbers than it says");
        }

        if (_isFirst)
        {
            _isFirst = false;
            return _value;
        }

        if (_miniature == _widths.Length)
        {
            BeginBlock();
        }

        var width = _widths[_miniature];
        var step = width == 0 ? 0 : (long)Bits.Read(_bytes, _bytes.Length, ((long)_at * 8) + ((long)_inMiniature * width), width);
        _value = unchecked(_value + _smallest + step);
        if (++_inMiniature == _perMiniature)
        {
            _at += _perMiniature * width / 8;
            (_miniature, _inMiniature) = (_miniature + 1, 0);
        }

        return _value;
    }

    private void BeginBlock()
    {
        _smallest = Signed();
        if (_widths.Length > _bytes.Length - _at)
        {
            throw new ParquetFaultException("a page ends within a block");
        }

        _bytes.AsSpan(_at, _widths.Length).CopyTo(_widths);
        _at += _widths.Length;
        (_miniature, _inMiniature) = (0, 0);
        if (_widths.AsSpan().ContainsAnyExceptInRange((byte)0, (byte)64))
        {
            throw new ParquetFaultException("a page has numbers of more than 64 bits");
        }
    }

    private long Signed()
    {
        var raw = Bits.Variable(_bytes, ref _at, _bytes.Length);
        return (long)(raw >> 1) ^ -(long)(raw & 1);
    }
}
