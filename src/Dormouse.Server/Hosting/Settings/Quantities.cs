using System.Globalization;

namespace Dormouse.Server.Hosting.Settings;

/// <summary>Durations ("500ms", "60s", "5m", "24h") and sizes ("512MiB", "2GiB", "1024") as people write them.</summary>
internal static class Quantities
{
    private static readonly (string Unit, long Ticks)[] DurationUnits =
    [
        ("ms", TimeSpan.TicksPerMillisecond), ("s", TimeSpan.TicksPerSecond), ("m", TimeSpan.TicksPerMinute), ("h", TimeSpan.TicksPerHour), ("d", TimeSpan.TicksPerDay),
    ];

    private static readonly (string Unit, long Bytes)[] SizeUnits =
    [
        ("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("TiB", 1L << 40), ("B", 1),
    ];

    public static bool TryDuration(string text, out TimeSpan duration)
    {
        foreach (var (unit, ticks) in DurationUnits)
        {
            if (text.EndsWith(unit, StringComparison.Ordinal)
                && decimal.TryParse(text.AsSpan(0, text.Length - unit.Length), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
                && number <= long.MaxValue / ticks)
            {
                duration = new TimeSpan((long)(number * ticks));
                return true;
            }
        }

        duration = default;
        return false;
    }

    public static bool TrySize(string text, out long bytes)
    {
        var (unit, factor) = Array.Find(SizeUnits, u => text.EndsWith(u.Unit, StringComparison.OrdinalIgnoreCase));
        unit ??= "";
        if (decimal.TryParse(text.AsSpan(0, text.Length - unit.Length).Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            && number <= long.MaxValue / Math.Max(factor, 1))
        {
            bytes = (long)(number * Math.Max(factor, 1));
            return true;
        }

        bytes = 0;
        return false;
    }

    /// <summary>The shortest exact form with one unit.</summary>
    public static string Duration(TimeSpan duration)
    {
        for (var i = DurationUnits.Length - 2; i >= 0; i--)
        {
            var (unit, ticks) = DurationUnits[i];
            if (duration.Ticks % ticks == 0 && (duration.Ticks != 0 || unit == "s"))
            {
                return (duration.Ticks / ticks).ToString(CultureInfo.InvariantCulture) + unit;
            }
        }

        return duration.TotalMilliseconds.ToString("0.####", CultureInfo.InvariantCulture) + "ms";
    }

    /// <summary>The largest unit that gives a whole number.</summary>
    public static string Size(long bytes)
    {
        for (var i = 3; i >= 0; i--)
        {
            var (unit, factor) = SizeUnits[i];
            if (bytes >= factor && bytes % factor == 0)
            {
                return (bytes / factor).ToString(CultureInfo.InvariantCulture) + unit;
            }
        }

        return bytes.ToString(CultureInfo.InvariantCulture) + "B";
    }
}
