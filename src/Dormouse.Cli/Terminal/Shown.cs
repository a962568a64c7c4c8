using System.Globalization;
using System.Text;

namespace Dormouse.Cli.Terminal;

/// <summary>
/// Text of others (names in models, messages, logs) as a terminal may safely show it: what a terminal would obey (control characters, marks that turn
/// the direction of writing) is written out, such as <c>\u001b</c>.
/// </summary>
internal static class Shown
{
    /// <summary>One line: line breaks and tabs are written out too, so that no name looks like two.</summary>
    public static string Line(string text) => Escape(text, mayBreak: false);

    /// <summary>Lines: breaks and tabs stay.</summary>
    public static string Lines(string text) => Escape(text, mayBreak: true);

    private static string Escape(string text, bool mayBreak)
    {
        StringBuilder? shown = null;
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            var isPlain = !IsObeyed(c) || (mayBreak && (c is '\n' or '\t' || (c == '\r' && i + 1 < text.Length && text[i + 1] == '\n')));
            if (isPlain)
            {
                shown?.Append(c);
                continue;
            }

            shown ??= new StringBuilder(text, 0, i, text.Length + 16);
            _ = c switch
            {
                '\n' => shown.Append(@"\n"),
                '\r' => shown.Append(@"\r"),
                '\t' => shown.Append(@"\t"),
                _ => shown.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
            };
        }

        return shown?.ToString() ?? text;
    }

    private static bool IsObeyed(char c) => char.IsControl(c) || c is '\u2028' or '\u2029' or (>= '\u202A' and <= '\u202E') or (>= '\u2066' and <= '\u2069');
}
