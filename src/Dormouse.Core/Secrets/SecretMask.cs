using System.Buffers;
using System.Collections.Immutable;
using System.Text;

namespace Dormouse.Core.Secrets;

/// <summary>
/// Replaces values of secrets in text by <see cref="Replacement"/>: each line of a value that has <see cref="LengthMin"/> characters or more (without blanks around it), and base64 of the whole value
/// in both alphabets. Shorter lines stay: words of a few letters stand everywhere.
/// </summary>
public sealed class SecretMask
{
    /// <summary>Shortest text that is masked, characters.</summary>
    public const int LengthMin = 6;

    public const string Replacement = "***";

    private readonly ImmutableArray<string> _hidden;
    private readonly SearchValues<string> _search;

    private SecretMask(ImmutableArray<string> hidden)
    {
        _hidden = hidden;
        _search = SearchValues.Create(hidden.AsSpan(), StringComparison.Ordinal);
    }

    /// <summary>Null when no value has anything that is masked.</summary>
    public static SecretMask? Of(IEnumerable<ImmutableArray<byte>> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        var hidden = values.SelectMany(Forms).Where(f => f.Length >= LengthMin).Distinct(StringComparer.Ordinal).OrderByDescending(f => f.Length).ThenBy(f => f, StringComparer.Ordinal).ToImmutableArray();
        return hidden.IsEmpty ? null : new SecretMask(hidden);
    }

    /// <summary>The text without the values.</summary>
    /// <param name="text">Whole text, or one line of it.</param>
    /// <param name="beginsCut">It goes on from a text that was cut: the end of a value may stand at its beginning.</param>
    /// <param name="endsCut">It was cut: the beginning of a value may stand at its end.</param>
    public string Apply(string text, bool beginsCut = false, bool endsCut = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        var from = beginsCut ? Torn(text, atStart: true) : 0;
        var rest = text.Length - (endsCut ? Torn(text, atStart: false) : 0);
        if (from == 0 && rest == text.Length && text.AsSpan().IndexOfAny(_search) < 0)
        {
            return text;
        }

        var masked = new StringBuilder(text.Length);
        var at = 0;
        if (from > 0)
        {
            masked.Append(Replacement);
            at = from;
        }

        while (at < text.Length && text.AsSpan(at).IndexOfAny(_search) is >= 0 and var next)
        {
            masked.Append(text.AsSpan(at, next)).Append(Replacement);
            at = EndOfHidden(text, at + next);
        }

        if (rest < text.Length && at < text.Length)
        {
            return masked.Append(text.AsSpan(at, Math.Max(0, rest - at))).Append(Replacement).ToString();
        }

        return masked.Append(text.AsSpan(at)).ToString();
    }

    /// <summary>Where what is hidden from <paramref name="start"/> on ends, with what overlaps it.</summary>
    private int EndOfHidden(string text, int start)
    {
        var end = start;
        for (var at = start; at == start || at < end; at++)
        {
            foreach (var form in _hidden)
            {
                if (at + form.Length > end && text.AsSpan(at).StartsWith(form, StringComparison.Ordinal))
                {
                    end = at + form.Length;
                    break; // The longest come first.
                }
            }
        }

        return end;
    }

    /// <summary>Characters of a torn value at an edge of the text; fewer than <see cref="LengthMin"/> are none.</summary>
    private int Torn(string text, bool atStart)
    {
        var longest = 0;
        foreach (var form in _hidden)
        {
            for (var length = Math.Min(form.Length - 1, text.Length); length >= LengthMin && length > longest; length--)
            {
                if (atStart ? text.StartsWith(form[^length..], StringComparison.Ordinal) : text.EndsWith(form[..length], StringComparison.Ordinal))
                {
                    longest = length;
                }
            }
        }

        return longest;
    }

    private static IEnumerable<string> Forms(ImmutableArray<byte> value)
    {
        var text = Encoding.UTF8.GetString(value.AsSpan());
        foreach (var line in text.Split('\n'))
        {
            yield return line.Trim();
        }

        // Files mostly end with a line feed, variables mostly do not have it any more.
        foreach (var bytes in new[] { value.ToArray(), Encoding.UTF8.GetBytes(text.Trim()) })
        {
            if (bytes.Length < LengthMin)
            {
                continue;
            }

            var encoded = Convert.ToBase64String(bytes).TrimEnd('=');
            yield return encoded;
            yield return encoded.Replace('+', '-').Replace('/', '_');
        }
    }
}
