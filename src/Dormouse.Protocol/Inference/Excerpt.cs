using System.Buffers;
using System.Globalization;
using System.Text;

namespace Dormouse.Protocol.Inference;

/// <summary>Pieces of a caller's request for messages: short whatever its length, and printable.</summary>
internal static class Excerpt
{
    private const int LengthMax = 64;

    private static readonly SearchValues<byte> TokenEnds = SearchValues.Create(" ,]}\t\r\n"u8);

    /// <summary>A name in quotes, cut after 64 characters.</summary>
    public static string Name(string name)
    {
        var kept = name.Length > LengthMax ? name[..LengthMax] : name;
        var text = new StringBuilder("'", kept.Length + 4);
        foreach (var character in kept) text.Append(char.IsControl(character) || char.IsSurrogate(character) ? '\uFFFD' : character);
        return text.Append(name.Length > LengthMax ? "…'" : "'").ToString();
    }

    private static string Unquoted(ReadOnlySpan<byte> text)
    {
        const int shownMax = 24;
        return Name(Encoding.UTF8.GetString(text[..Math.Min(text.Length, shownMax)]))[1..^1] + (text.Length > shownMax ? "…" : "");
    }

    /// <summary>The JSON token that starts at <paramref name="position"/>, in quotes, cut after 24 bytes.</summary>
    public static string Token(ReadOnlySpan<byte> json, int position)
    {
        const int tokenMax = 24;
        var rest = json[Math.Min(position, json.Length)..];
        var end = rest.IsEmpty || rest[0] == '"' ? rest.Length : rest.IndexOfAny(TokenEnds);
        if (end < 0) end = rest.Length;
        if (end == 0) end = 1;
        var token = Name(Encoding.UTF8.GetString(rest[..Math.Min(end, tokenMax)]));
        return end > tokenMax ? token[..^1] + "…'" : token;
    }

    /// <summary>The JSON value that starts at <paramref name="position"/>, for a sentence: "an object", "5", "the string "abc"".</summary>
    public static string Value(ReadOnlySpan<byte> json, int position)
    {
        switch (position < json.Length ? json[position] : 0)
        {
            case '{': return "an object";
            case '[': return "an array";
            case ',' or ']' or '}': return "missing";
            case '"':
                var closing = json[(position + 1)..].IndexOfAny((byte)'"', (byte)'\\');
                var content = closing < 0 ? json[(position + 1)..] : json.Slice(position + 1, closing);
                return $"the string \"{Unquoted(content)}\"";
            default: return Token(json, position)[1..^1];
        }
    }

    /// <summary><c>[1,28,28]</c></summary>
    public static string Shape(ReadOnlySpan<long> shape)
    {
        var text = new StringBuilder("[");
        for (var i = 0; i < shape.Length; i++)
        {
            if (i > 0) text.Append(',');
            text.Append(CultureInfo.InvariantCulture, $"{shape[i]}");
        }

        return text.Append(']').ToString();
    }
}
