using System.Runtime.CompilerServices;

namespace Dormouse.Protocol.Inference;

/// <summary>A JSON number taken apart: ± <see cref="Mantissa"/> × 10^<see cref="Exponent"/>.</summary>
internal readonly struct DecimalNumber
{
    /// <summary>Decimal digits that always fit 64 bits.</summary>
    private const int DigitsMax = 19;

    private DecimalNumber(bool negative, ulong mantissa, long exponent, bool truncated)
    {
        Negative = negative;
        Mantissa = mantissa;
        Exponent = exponent;
        Truncated = truncated;
    }

    public bool Negative { get; }

    /// <summary>The first 19 significant digits.</summary>
    public ulong Mantissa { get; }

    public long Exponent { get; }

    /// <summary>Digits other than 0 were left out of the mantissa: the value is larger by less than one unit of its last place.</summary>
    public bool Truncated { get; }

    /// <summary>Reads one number in JSON's grammar: no leading plus, no bare point, digits on both sides of it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryScan(ReadOnlySpan<byte> json, ref int position, out DecimalNumber number)
    {
        number = default;
        var next = position;
        var negative = (uint)next < (uint)json.Length && json[next] == '-';
        if (negative) next++;

        var mantissa = 0UL;
        var digits = 0;
        var exponent = 0L;
        var truncated = false;
        if ((uint)next >= (uint)json.Length) return false;
        if (json[next] == '0')
        {
            next++;
        }
        else
        {
            var first = next;
            for (uint digit; (uint)next < (uint)json.Length && (digit = (uint)json[next] - '0') <= 9; next++)
            {
                if (digits < DigitsMax)
                {
                    mantissa = (mantissa * 10) + digit;
                    digits++;
                }
                else
                {
                    exponent++;
                    truncated |= digit != 0;
                }
            }

            if (next == first) return false;
        }

        if ((uint)next < (uint)json.Length && json[next] == '.')
        {
            var first = ++next;
            for (uint digit; (uint)next < (uint)json.Length && (digit = (uint)json[next] - '0') <= 9; next++)
            {
                if (digits < DigitsMax)
                {
                    mantissa = (mantissa * 10) + digit;
                    exponent--;
                    if (mantissa != 0) digits++;
                }
                else
                {
                    truncated |= digit != 0;
                }
            }

            if (next == first) return false;
        }

        if ((uint)next < (uint)json.Length && (json[next] | 0x20) == 'e' && !TryScanExponent(json, ref next, ref exponent)) return false;
        number = new DecimalNumber(negative, mantissa, exponent, truncated);
        position = next;
        return true;
    }

    private static bool TryScanExponent(ReadOnlySpan<byte> json, ref int next, ref long exponent)
    {
        // Far above what the digits of the longest body can shift back.
        const long exponentMax = 1L << 40;
        next++;
        var negative = (uint)next < (uint)json.Length && json[next] == '-';
        if (negative || ((uint)next < (uint)json.Length && json[next] == '+')) next++;
        var first = next;
        var value = 0L;
        for (uint digit; (uint)next < (uint)json.Length && (digit = (uint)json[next] - '0') <= 9; next++)
            value = Math.Min(exponentMax, (value * 10) + digit);
        exponent += negative ? -value : value;
        return next > first;
    }
}
