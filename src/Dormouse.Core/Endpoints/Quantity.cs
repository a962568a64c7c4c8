using System.Buffers;

namespace Dormouse.Core.Endpoints;

/// <summary>The common part of durations and sizes: a plain decimal number followed by a unit.</summary>
internal static class Quantity
{
    /// <summary>10²⁴ × the largest factor (10¹²) fits 128 bits.</summary>
    private const int DigitsMax = 24;

    private static readonly SearchValues<char> NumberCharacters = SearchValues.Create("0123456789.");

    /// <summary>Splits "1.5GiB" into its number and its unit ("" when there is none).</summary>
    /// <returns>False when the text does not begin with a digit or the number is not digits with at most one point between them.</returns>
    public static bool TrySplit(string? text, out ReadOnlySpan<char> number, out ReadOnlySpan<char> unit)
    {
        var all = text.AsSpan();
        var length = all.IndexOfAnyExcept(NumberCharacters);
        length = length < 0 ? all.Length : length;
        number = all[..length];
        unit = all[length..];
        var point = number.IndexOf('.');
        return length > 0 && point != 0 && point != length - 1 && (point < 0 || !number[(point + 1)..].Contains('.'));
    }

    /// <summary>number × factor, exactly.</summary>
    /// <returns>False when the product is no whole number or does not fit a <see cref="long"/>.</returns>
    public static bool TryScale(ReadOnlySpan<char> number, long factor, out long product)
    {
        product = 0;
        Int128 digits = 0;
        Int128 divisor = 1;
        var isAfterPoint = false;
        var trimmed = number.Contains('.') ? number.TrimEnd('0') : number;
        var significant = trimmed.TrimStart('0');
        if (significant.Length > DigitsMax)
        {
            return false;
        }

        foreach (var c in significant)
        {
            if (c == '.')
            {
                isAfterPoint = true;
                continue;
            }

            digits = (digits * 10) + (c - '0');
            divisor = isAfterPoint ? divisor * 10 : divisor;
        }

        var (whole, rest) = Int128.DivRem(digits * factor, divisor);
        if (rest != 0 || whole > long.MaxValue)
        {
            return false;
        }

        product = (long)whole;
        return true;
    }
}
