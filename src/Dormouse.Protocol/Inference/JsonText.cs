using System.Buffers;
using System.Buffers.Text;

namespace Dormouse.Protocol.Inference;

/// <summary>Writes compact JSON text into an <see cref="IBufferWriter{T}"/>; the caller places commas and brackets.</summary>
/// <remarks>By hand, because an answer is mostly numbers and <c>Utf8JsonWriter</c> costs more for each than formatting it.</remarks>
internal ref struct JsonText(IBufferWriter<byte> destination)
{
    /// <summary>Room for any number: the longest double has 24 characters.</summary>
    private const int NumberMax = 32;

    private const int ChunkBytes = 4096;

    private static readonly SearchValues<byte> Escaped = SearchValues.Create([.. Enumerable.Range(0, 0x20).Select(b => (byte)b), (byte)'"', (byte)'\\']);

    private Span<byte> _free = [];
    private int _used;

    /// <summary>Bytes written so far.</summary>
    public int Length { get; private set; }

    public void Raw(scoped ReadOnlySpan<byte> text)
    {
        text.CopyTo(Room(text.Length));
        Advance(text.Length);
    }

    /// <summary>A string in quotes. The bytes must be UTF-8.</summary>
    public void String(scoped ReadOnlySpan<byte> utf8)
    {
        Raw("\""u8);
        while (true)
        {
            var plain = utf8.IndexOfAny(Escaped);
            Raw(plain < 0 ? utf8 : utf8[..plain]);
            if (plain < 0) break;
            Escape(utf8[plain]);
            utf8 = utf8[(plain + 1)..];
        }

        Raw("\""u8);
    }

    public void String(string text)
    {
        // A lone surrogate in a name becomes U+FFFD, as everywhere in .NET.
        Span<byte> room = stackalloc byte[256];
        String(System.Text.Encoding.UTF8.TryGetBytes(text, room, out var written) ? room[..written] : System.Text.Encoding.UTF8.GetBytes(text));
    }

    /// <summary>Whole numbers exactly; floating ones in the shortest form that reads back to the same value. They must be finite.</summary>
    public void Number<T>(T value)
        where T : IUtf8SpanFormattable
    {
        value.TryFormat(Room(NumberMax), out var written, default, null);
        Advance(written);
    }

    /// <summary>Hands what is still in the writer's buffer to the destination; called once, at the end.</summary>
    public void Flush()
    {
        if (_used > 0) destination.Advance(_used);
        _free = [];
        _used = 0;
    }

    private void Escape(byte value)
    {
        var place = "\"\\\b\f\n\r\t"u8.IndexOf(value);
        if (place >= 0)
        {
            Raw("\\"u8);
            Raw("\"\\bfnrt"u8.Slice(place, 1));
            return;
        }

        Raw("\\u00"u8);
        Utf8Formatter.TryFormat(value, Room(2), out var written, new StandardFormat('x', 2));
        Advance(written);
    }

    private Span<byte> Room(int length)
    {
        if (_free.Length - _used < length)
        {
            Flush();
            _free = destination.GetSpan(Math.Max(length, ChunkBytes));
        }

        return _free[_used..];
    }

    private void Advance(int length)
    {
        _used += length;
        Length += length;
    }
}
