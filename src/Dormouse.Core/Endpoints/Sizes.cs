using System.Globalization;

namespace Dormouse.Core.Endpoints;

/// <summary>Sizes as people write them: "512MiB", "1GiB" (powers of 1,024), "256MB" (powers of 1,000).</summary>
public static class Sizes
{
    /// <summary>The forms that <see cref="TryParse"/> takes, for messages.</summary>
    public const string Forms = "a number with B, KiB, MiB, GiB, TiB, KB, MB, GB or TB, such as 512MiB or 1GiB";

    public const long BytesPerMib = 1L << 20;

    /// <summary>
    /// Reads a number (decimals allowed) with a unit: B, KB, MB, GB, TB (powers of 1,000), KiB, MiB, GiB, TiB or short Ki, Mi, Gi, Ti (powers of 1,024),
    /// in upper or lower case. A number without a unit is bytes.
    /// </summary>
    /// <param name="text">The text, or null; blanks are not allowed.</param>
    /// <param name="bytes">At least 0 and exact; 0 when the text is refused.</param>
    /// <returns>False when the form differs, the value is no whole number of bytes, or exceeds 2⁶³ − 1.</returns>
    public static bool TryParse(string? text, out long bytes)
    {
        bytes = 0;
        if (!Quantity.TrySplit(text, out var number, out var unit) || unit.Length > 3)
        {
            return false;
        }

        Span<char> lower = stackalloc char[3];
        unit.ToLowerInvariant(lower);
        long? factor = lower[..unit.Length] switch
        {
            "" or "b" => 1,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            "kib" or "ki" => 1L << 10,
            "mib" or "mi" => BytesPerMib,
            "gib" or "gi" => 1L << 30,
            "tib" or "ti" => 1L << 40,
            _ => null,
        };
        return factor is { } bytesPerUnit && Quantity.TryScale(number, bytesPerUnit, out bytes);
    }

    /// <summary>Text that <see cref="TryParse"/> reads back to the same value: the largest unit of 1,024 that divides it, else bytes. 1,610,612,736 is "1536MiB".</summary>
    /// <param name="bytes">At least 0.</param>
    public static string Format(long bytes) => bytes switch
    {
        0 => "0B",
        _ when bytes % (1L << 40) == 0 => Write(bytes >> 40, "TiB"),
        _ when bytes % (1L << 30) == 0 => Write(bytes >> 30, "GiB"),
        _ when bytes % BytesPerMib == 0 => Write(bytes >> 20, "MiB"),
        _ when bytes % (1L << 10) == 0 => Write(bytes >> 10, "KiB"),
        _ => Write(bytes, "B"),
    };

    private static string Write(long number, string unit) => number.ToString(CultureInfo.InvariantCulture) + unit;
}
