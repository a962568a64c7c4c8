namespace Dormouse.Core.Endpoints;

/// <summary>A user's text in a message.</summary>
public static class ShownText
{
    public const int LengthMax = 60;

    /// <summary>Cut when long, control characters replaced.</summary>
    public static string Of(string text)
    {
        var cut = text.Length <= LengthMax ? text : text[..LengthMax] + "…";
        return string.Create(cut.Length, cut, (to, from) =>
        {
            for (var i = 0; i < to.Length; i++)
            {
                to[i] = char.IsControl(from[i]) ? '?' : from[i];
            }
        });
    }
}
