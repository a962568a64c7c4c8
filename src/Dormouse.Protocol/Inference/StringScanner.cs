using System.Buffers;
using System.Text;

namespace Dormouse.Protocol.Inference;

/// <summary>A JSON string as the UTF-8 bytes that it stands for. The text around is known to be valid UTF-8.</summary>
internal static class StringScanner
{
    private static readonly SearchValues<byte> Special = SearchValues.Create([.. Enumerable.Range(0, 0x20).Select(b => (byte)b), (byte)'"', (byte)'\\']);

    /// <summary>True moves the position behind the closing quote and ends one element of <paramref name="builder"/>. False leaves the
    /// position; what was appended by then must not be used.</summary>
    public static bool TryScan(ReadOnlySpan<byte> json, ref int position, TensorBytesBuilder builder)
    {
        if (position >= json.Length || json[position] != '"') return false;
        var next = position + 1;
        while (true)
        {
            var plain = json[next..].IndexOfAny(Special);
            if (plain < 0) return false;
            builder.Append(json.Slice(next, plain));
            next += plain;
            if (json[next] == '"') break;
            if (json[next] != '\\' || !TryUnescape(json, ref next, builder)) return false;
        }

        builder.EndElement();
        position = next + 1;
        return true;
    }

    private static bool TryUnescape(ReadOnlySpan<byte> json, ref int next, TensorBytesBuilder builder)
    {
        if (next + 1 >= json.Length) return false;
        var letter = json[next + 1];
        if (letter == 'u') return TryUnescapeCodePoint(json, ref next, builder);
        var place = "\"\\/bfnrt"u8.IndexOf(letter);
        if (place < 0) return false;
        builder.Append("\"\\/\b\f\n\r\t"u8.Slice(place, 1));
        next += 2;
        return true;
    }

    /// <summary>One escape, or the two of a surrogate pair. A surrogate alone is no character.</summary>
    private static bool TryUnescapeCodePoint(ReadOnlySpan<byte> json, ref int next, TensorBytesBuilder builder)
    {
        if (!TryHex(json, next, out var unit)) return false;
        next += 6;
        if (!Rune.TryCreate(unit, out var rune))
        {
            if (!TryHex(json, next, out var low) || !Rune.TryCreate(unit, low, out rune)) return false;
            next += 6;
        }

        Span<byte> utf8 = stackalloc byte[4];
        builder.Append(utf8[..rune.EncodeToUtf8(utf8)]);
        return true;
    }

    private static bool TryHex(ReadOnlySpan<byte> json, int position, out char unit)
    {
        unit = default;
        if (json.Length - position < 6 || json[position] != '\\' || json[position + 1] != 'u') return false;

        // By hand: the framework's parsers of hexadecimal numbers let zero bytes pass at the end.
        foreach (var digit in json.Slice(position + 2, 4))
        {
            if (!char.IsAsciiHexDigit((char)digit)) return false;
            unit = (char)((unit << 4) | (digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10));
        }

        return true;
    }
}
