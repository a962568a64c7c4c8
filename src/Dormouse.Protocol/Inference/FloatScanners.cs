using System.Globalization;

namespace Dormouse.Protocol.Inference;

/// <summary>FP64: the double nearest to the number as written (ties to even). What would round to infinity is out of range.</summary>
internal readonly struct DoubleScanner : IElementScanner<double>
{
    public static bool TryScan(ReadOnlySpan<byte> json, ref int position, out double value)
    {
        var end = position;
        value = 0;
        if (!DecimalNumber.TryScan(json, ref end, out var number)) return false;
        if (number.Mantissa == 0)
        {
            value = number.Negative ? -0.0 : 0.0;
        }
        else if (!number.Truncated && number.Mantissa <= 1UL << 53 && number.Exponent is >= -Powers.ExactMax and <= Powers.ExactMax)
        {
            // Both factors are exact doubles, so the one operation rounds once (Clinger, PLDI 1990).
            var power = Powers.OfTen[Math.Abs((int)number.Exponent)];
            var magnitude = number.Exponent < 0 ? number.Mantissa / power : number.Mantissa * power;
            value = number.Negative ? -magnitude : magnitude;
        }
        else if (!double.TryParse(json[position..end], NumberStyles.Float, CultureInfo.InvariantCulture, out value) || !double.IsFinite(value))
        {
            return false;
        }

        position = end;
        return true;
    }
}

/// <summary>FP32: the float nearest to the number as written, not to a double near it. What would round to infinity is out of range.</summary>
internal readonly struct SingleScanner : IElementScanner<float>
{
    public static bool TryScan(ReadOnlySpan<byte> json, ref int position, out float value)
    {
        var end = position;
        value = 0;
        if (!DecimalNumber.TryScan(json, ref end, out var number)) return false;
        if (number.Mantissa == 0) value = number.Negative ? -0f : 0f;
        else if (!TryRound(number, out value) && (!float.TryParse(json[position..end], NumberStyles.Float, CultureInfo.InvariantCulture, out value) || !float.IsFinite(value)))
            return false;
        position = end;
        return true;
    }

    /// <summary>
    /// Rounds by way of a double that may be off by a few of its last places. That decides the float unless the double lies that close
    /// to the middle between two floats, which is where rounding twice goes wrong; then the answer is false. This covers the 17 digits
    /// that Python writes for each float32.
    /// </summary>
    private static bool TryRound(DecimalNumber number, out float value)
    {
        // Error: mantissa to double 1/2 unit, each power 1/2, digits beyond 19 far less; 8 units are a generous bound.
        const uint unitsOff = 8;
        const ulong middle = 1UL << 28;
        const ulong belowFloat = (1UL << 29) - 1;

        value = 0;
        if (number.Exponent is < -2 * Powers.ExactMax or > 2 * Powers.ExactMax) return false;
        var exponent = Math.Abs((int)number.Exponent);
        double magnitude = number.Mantissa;
        if (exponent > Powers.ExactMax)
        {
            magnitude = number.Exponent < 0 ? magnitude / Powers.OfTen[Powers.ExactMax] : magnitude * Powers.OfTen[Powers.ExactMax];
            exponent -= Powers.ExactMax;
        }

        magnitude = number.Exponent < 0 ? magnitude / Powers.OfTen[exponent] : magnitude * Powers.OfTen[exponent];

        // Outside the normal floats the middles lie elsewhere.
        if (magnitude is not (> 1.2e-38 and < 3.4e38)) return false;
        var distance = (BitConverter.DoubleToUInt64Bits(magnitude) & belowFloat) - (middle - unitsOff);
        if (distance <= 2 * unitsOff) return false;
        value = (float)(number.Negative ? -magnitude : magnitude);
        return true;
    }
}

/// <summary>The powers of ten that are exact doubles.</summary>
internal static class Powers
{
    public const int ExactMax = 22;

    public static ReadOnlySpan<double> OfTen =>
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];
}
