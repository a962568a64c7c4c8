using System.Globalization;

namespace Dormouse.Core.Usage;

/// <summary>Money in integers of 10⁻¹² of a currency unit, as text for people and JSON.</summary>
public static class PicoMoney
{
    /// <summary>Digits after the decimal point of a pico-unit.</summary>
    public const int Decimals = 12;

    private static readonly Int128 PicoPerUnit = 1_000_000_000_000;

    /// <summary>
    /// Plain decimal with '.', no exponent, no grouping and as many decimals as are needed (0 to 12): 8,333 is "0.000000008333",
    /// 1,500,000,000,000 is "1.5", 0 is "0". Every value has one text and <see cref="TryParse"/> reads it back.
    /// </summary>
    /// <param name="pico">Any value; a negative one begins with '-'.</param>
    public static string Format(Int128 pico)
    {
        var (whole, part) = Int128.DivRem(pico, PicoPerUnit);
        var sign = Int128.IsNegative(pico) ? "-" : "";
        var wholeText = whole.ToString(CultureInfo.InvariantCulture).TrimStart('-');
        if (part == 0)
        {
            return sign + wholeText;
        }

        var decimals = ((long)Int128.Abs(part)).ToString("D12", CultureInfo.InvariantCulture).TrimEnd('0');
        return $"{sign}{wholeText}.{decimals}";
    }

    /// <summary>Reads a plain decimal with at most 12 decimals; "1", "1.50" and "-0.000000008333" are fine, "1e3", ".5", "1." and blanks are not.</summary>
    /// <param name="text">The text, or null.</param>
    /// <param name="pico">The exact value; 0 when the text is refused.</param>
    /// <returns>False when the text has another form or does not fit.</returns>
    public static bool TryParse(string? text, out Int128 pico)
    {
        pico = 0;
        var rest = text.AsSpan();
        var isNegative = rest is ['-', ..];
        rest = isNegative ? rest[1..] : rest;
        var point = rest.IndexOf('.');
        var whole = point < 0 ? rest : rest[..point];
        var part = point < 0 ? [] : rest[(point + 1)..];
        if (whole.IsEmpty || part.Length > Decimals || (point >= 0 && part.IsEmpty))
        {
            return false;
        }

        // Summed as a negative number, because the most negative one has no positive counterpart.
        Int128 sum = 0;
        for (var i = 0; i < whole.Length + Decimals; i++)
        {
            var digit = i < whole.Length ? whole[i] - '0' : i - whole.Length < part.Length ? part[i - whole.Length] - '0' : 0;
            if (digit is < 0 or > 9 || sum < (Int128.MinValue + digit) / 10)
            {
                return false;
            }

            sum = (sum * 10) - digit;
        }

        if (!isNegative && sum == Int128.MinValue)
        {
            return false;
        }

        pico = isNegative ? sum : -sum;
        return true;
    }
}
