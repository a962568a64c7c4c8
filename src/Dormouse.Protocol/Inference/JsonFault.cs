using System.Globalization;

namespace Dormouse.Protocol.Inference;

/// <summary>What is wrong with JSON text at the place where a reader stopped, in words that are not the reader's.</summary>
internal static class JsonFault
{
    /// <summary>How deep a reader goes.</summary>
    private const int DepthMax = 64;

    /// <param name="position">Behind the last token that could be read.</param>
    /// <param name="depth">How many objects and arrays are open there.</param>
    public static string Describe(ReadOnlySpan<byte> json, int position, int depth)
    {
        // A reader may stop before the comma or behind it.
        var at = SkipSpace(json, position);
        var comma = at < json.Length && json[at] == ',' ? at : json[..Math.Min(at, json.Length)].TrimEnd(" \t\r\n"u8).Length - 1;
        if (comma == at) at = SkipSpace(json, at + 1);
        if (at >= json.Length) return "the text ends before everything that it opened is closed";
        if (comma >= 0 && json[comma] == ',' && json[at] is (byte)'}' or (byte)']' or (byte)',') return Invariant($"behind the comma at byte {comma} a value is missing");

        if (json[at] is (byte)'{' or (byte)'[' && depth >= DepthMax) return Invariant($"objects and arrays are nested more than {DepthMax} deep");
        return json[at] == '"'
            ? Invariant($"the string at byte {at} is not closed, holds a control character or a wrong escape, or cannot stand there")
            : Invariant($"{Excerpt.Token(json, at)} at byte {at} cannot stand there");
    }

    private static int SkipSpace(ReadOnlySpan<byte> json, int position)
    {
        while (position < json.Length && json[position] is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t') position++;
        return position;
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
