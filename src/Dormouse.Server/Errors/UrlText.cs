namespace Dormouse.Server.Errors;

/// <summary>A part of an address as its caller meant it, for a message: an escaped slash is the only escape that the web server leaves in.</summary>
internal static class UrlText
{
    public const int LengthMax = 80;

    /// <summary>Cut when long, control characters replaced.</summary>
    public static string Shown(string text, int lengthMax = LengthMax)
    {
        var plain = text.Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);
        var cut = plain.Length <= lengthMax ? plain : string.Concat(plain.AsSpan(0, lengthMax), "…");
        return string.Concat(cut.Select(c => char.IsControl(c) ? '?' : c));
    }
}
