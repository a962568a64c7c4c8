using System.Buffers.Binary;

namespace Dormouse.Server.Batches.Inputs.Parquet;

/// <summary>The values of a page, one after the other, each as the bytes in which the format writes it plainly. What is held is the page, however many values it has.</summary>
internal abstract class PageValues
{
    /// <summary>Valid until the next one.</summary>
    public abstract ReadOnlySpan<byte> Next();

    public static PageValues Of(ParquetColumn column, PageEncoding encoding, byte[] page, int at, PageDictionary? dictionary) => encoding switch
    {
        PageEncoding.Plain => column.Storage == ParquetStorage.Boolean ? new PlainBits(page, at) : new PlainValues(page, at, column),
        PageEncoding.PlainDictionary or PageEncoding.RleDictionary => new DictionaryValues(
            dictionary ?? throw new ParquetFaultException($"column '{column.Name}' has no dictionary"), page, at),
        PageEncoding.Rle when column.Storage == ParquetStorage.Boolean => new RunBits(page, at),
        PageEncoding.DeltaNumbers when column.Storage is ParquetStorage.Int32 or ParquetStorage.Int64 => new DeltaValues(page, at, column.Width),
        PageEncoding.DeltaLengths when column.Storage == ParquetStorage.ByteArray => new DeltaTexts(page, at, hasPrefixes: false),
        PageEncoding.DeltaBytes when column.Storage is ParquetStorage.ByteArray or ParquetStorage.FixedBytes => new DeltaTexts(page, at, hasPrefixes: true),
        PageEncoding.SplitBytes when column.Width > 0 && column.Storage != ParquetStorage.Boolean => new SplitValues(page, at, column.Width),
        _ => throw new ParquetFaultException($"column '{column.Name}' is written in a way that is not read (encoding {(int)encoding})"),
    };

    public static ParquetFaultException Ends() => new("a page ends within its values");

    private sealed class PlainValues(byte[] page, int at, ParquetColumn column) : PageValues
    {
        private int _at = at;

        public override ReadOnlySpan<byte> Next()
        {
            var width = column.Width;
            if (column.Storage == ParquetStorage.ByteArray)
            {
                if (page.Length - _at < sizeof(int) || BinaryPrimitives.ReadUInt32LittleEndian(page.AsSpan(_at)) is var length && length > page.Length - _at - sizeof(int))
                {
                    throw Ends();
                }

                (width, _at) = ((int)length, _at + sizeof(int));
            }

            if (width > page.Length - _at)
            {
                throw Ends();
            }

            var value = page.AsSpan(_at, width);
            _at += width;
            return value;
        }
    }

    private sealed class PlainBits(byte[] page, int at) : PageValues
    {
        private readonly byte[] _value = new byte[1];
        private long _bit = (long)at * 8;

        public override ReadOnlySpan<byte> Next()
        {
            _value[0] = (byte)Bits.Read(page, page.Length, _bit++, 1);
            return _value;
        }
    }

    private sealed class RunBits : PageValues
    {
        private readonly byte[] _value = new byte[1];
        private readonly BitRuns _runs;

        public RunBits(byte[] page, int at) => _runs = BitRuns.WithLength(page, ref at, 1);

        public override ReadOnlySpan<byte> Next()
        {
            _value[0] = (byte)_runs.Next();
            return _value;
        }
    }

    private sealed class DictionaryValues : PageValues
    {
        private readonly PageDictionary _dictionary;
        private readonly BitRuns? _places;

        public DictionaryValues(PageDictionary dictionary, byte[] page, int at)
        {
            _dictionary = dictionary;
            // A page of nothing but nulls may have no places at all.
            _places = at < page.Length ? new BitRuns(page, at + 1, page.Length, page[at]) : null;
        }

        public override ReadOnlySpan<byte> Next() => _dictionary[(_places ?? throw Ends()).Next()];
    }

    private sealed class DeltaValues(byte[] page, int at, int width) : PageValues
    {
        private readonly byte[] _value = new byte[sizeof(long)];
        private readonly DeltaNumbers _numbers = new(page, at);

        public override ReadOnlySpan<byte> Next()
        {
            BinaryPrimitives.WriteInt64LittleEndian(_value, _numbers.Next());
            return _value.AsSpan(0, width);
        }
    }

    /// <summary>The first bytes of all values, then the second ones, and so on.</summary>
    private sealed class SplitValues(byte[] page, int at, int width) : PageValues
    {
        private readonly byte[] _value = new byte[Math.Min(width, page.Length)];
        private readonly int _count = (page.Length - at) / width;
        private int _next;

        public override ReadOnlySpan<byte> Next()
        {
            if (_next == _count)
            {
                throw Ends();
            }

            for (var i = 0; i < width; i++)
            {
                _value[i] = page[at + (i * _count) + _next];
            }

            _next++;
            return _value;
        }
    }

    /// <summary>All lengths, then all bytes; with prefixes, each value shares its beginning with the one before it, and the lengths of these stand first.</summary>
    private sealed class DeltaTexts : PageValues
    {
        private readonly byte[] _page;
        private readonly DeltaNumbers? _prefixes;
        private readonly DeltaNumbers _lengths;
        private byte[] _value = [];
        private int _length;
        private int _at;

        public DeltaTexts(byte[] page, int at, bool hasPrefixes)
        {
            _page = page;
            if (hasPrefixes)
            {
                _prefixes = new DeltaNumbers(page, at);
                at = EndOf(page, at);
            }

            _lengths = new DeltaNumbers(page, at);
            _at = EndOf(page, at);
        }

        public override ReadOnlySpan<byte> Next()
        {
            var (prefix, length) = (_prefixes?.Next() ?? 0, _lengths.Next());
            if (prefix < 0 || prefix > _length || length < 0 || length > _page.Length - _at)
            {
                throw Ends();
            }

            var start = _at;
            _at += (int)length;
            if (_prefixes is null)
            {
                return _page.AsSpan(start, (int)length);
            }

            _length = (int)(prefix + length);
            if (_length > _value.Length)
            {
                // No value is longer than all the bytes of its page.
                Array.Resize(ref _value, Math.Min(_page.Length, Math.Max(_length, 2 * _value.Length)));
            }

            _page.AsSpan(start, (int)length).CopyTo(_value.AsSpan((int)prefix));
            return _value.AsSpan(0, _length);
        }

        private static int EndOf(byte[] page, int at)
        {
            var numbers = new DeltaNumbers(page, at);
            for (var left = numbers.Count; left > 0; left--)
            {
                numbers.Next();
            }

            return numbers.End;
        }
    }
}

/// <summary>The values that pages name by their place.</summary>
internal sealed class PageDictionary
{
    private readonly byte[] _page;
    private readonly int _width;
    private readonly int[]? _ends;
    private readonly int _count;

    public PageDictionary(ParquetColumn column, byte[] page, int count)
    {
        (_page, _width, _count) = (page, column.Width, count);
        if (column.Storage != ParquetStorage.ByteArray)
        {
            if ((long)count * _width > page.Length)
            {
                throw PageValues.Ends();
            }

            return;
        }

        if (count > page.Length / sizeof(int))
        {
            throw PageValues.Ends();
        }

        _ends = new int[count];
        var (values, at) = (PageValues.Of(column, PageEncoding.Plain, page, 0, null), 0);
        for (var i = 0; i < count; i++)
        {
            at += sizeof(int) + values.Next().Length;
            _ends[i] = at;
        }
    }

    /// <summary>Memory that it takes.</summary>
    public long Bytes => _page.Length + ((long)(_ends?.Length ?? 0) * sizeof(int));

    public ReadOnlySpan<byte> this[int place]
    {
        get
        {
            if ((uint)place >= (uint)_count)
            {
                throw new ParquetFaultException("a page names a value that its dictionary does not have");
            }

            if (_ends is null)
            {
                return _page.AsSpan(place * _width, _width);
            }

            var start = (place == 0 ? 0 : _ends[place - 1]) + sizeof(int);
            return _page.AsSpan(start, _ends[place] - start);
        }
    }
}
