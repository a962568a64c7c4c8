using System.Globalization;

namespace Dormouse.Core.Endpoints;

/// <summary>Durations as people write them: a number and a unit, "500ms", "60s", "5m", "1.5h".</summary>
public static class Durations
{
    /// <summary>The forms that <see cref="TryParse"/> takes, for messages.</summary>
    public const string Forms = "a number with us, ms, s, m, h or d, such as 500ms, 60s, 5m or 1h";

    /// <summary>
    /// Reads a number (decimals allowed) with one of the units us, ms, s, m, h, d, all in lower case; "0" needs no unit.
    /// </summary>
    /// <param name="text">The text, or null; blanks are not allowed.</param>
    /// <param name="duration">At least zero and exact; zero when the text is refused.</param>
    /// <returns>False when the form differs, the value is negative, finer than 100 ns, or longer than a <see cref="TimeSpan"/> holds.</returns>
    public static bool TryParse(string? text, out TimeSpan duration)
    {
        duration = TimeSpan.Zero;
        if (text == "0")
        {
            return true;
        }

        if (!Quantity.TrySplit(text, out var number, out var unit))
        {
            return false;
        }

        long? ticksPerUnit = unit switch
        {
            "us" or "µs" => TimeSpan.TicksPerMicrosecond,
            "ms" => TimeSpan.TicksPerMillisecond,
            "s" => TimeSpan.TicksPerSecond,
            "m" => TimeSpan.TicksPerMinute,
            "h" => TimeSpan.TicksPerHour,
            "d" => TimeSpan.TicksPerDay,
            _ => null,
        };
        if (ticksPerUnit is not { } factor || !Quantity.TryScale(number, factor, out var ticks))
        {
            return false;
        }

        duration = new TimeSpan(ticks);
        return true;
    }

    /// <summary>
    /// Text that <see cref="TryParse"/> reads back to the same value: whole hours, else whole minutes from 2 on, else seconds, ms or µs, whichever is
    /// exact first. 60 s is "60s", 300 s "5m", 3,600 s "1h", 1.5 s "1500ms".
    /// </summary>
    /// <param name="duration">At least zero.</param>
    public static string Format(TimeSpan duration)
    {
        var ticks = duration.Ticks;
        return ticks switch
        {
            0 => "0s",
            _ when ticks % TimeSpan.TicksPerHour == 0 => Write(ticks / TimeSpan.TicksPerHour, "h"),
            >= 2 * TimeSpan.TicksPerMinute when ticks % TimeSpan.TicksPerMinute == 0 => Write(ticks / TimeSpan.TicksPerMinute, "m"),
            _ when ticks % TimeSpan.TicksPerSecond == 0 => Write(ticks / TimeSpan.TicksPerSecond, "s"),
            _ when ticks % TimeSpan.TicksPerMillisecond == 0 => Write(ticks / TimeSpan.TicksPerMillisecond, "ms"),
            _ => Write((decimal)ticks / TimeSpan.TicksPerMicrosecond, "us"),
        };
    }

    /// <summary>
    /// For sentences, rounded to three digits or to the unit: "300 µs", "2.94 ms", "1.5 s", "60 s", "5 min", "1.5 h". Not meant to be read back.
    /// </summary>
    /// <param name="duration">At least zero.</param>
    public static string Words(TimeSpan duration) => duration switch
    {
        { Ticks: 0 } => "0 s",
        { TotalMilliseconds: < 1 } => Round(duration.TotalMicroseconds, "µs"),
        { TotalSeconds: < 1 } => Round(duration.TotalMilliseconds, "ms"),
        { TotalMinutes: < 5 } => Round(duration.TotalSeconds, "s"),
        { TotalHours: < 2 } => Round(duration.TotalMinutes, "min"),
        _ => Round(duration.TotalHours, "h"),
    };

    private static string Write(decimal number, string unit) => number.ToString("0.#", CultureInfo.InvariantCulture) + unit;

    private static string Round(double number, string unit)
    {
        var decimals = number switch { < 10 => 2, < 100 => 1, _ => 0 };
        return Math.Round(number, decimals).ToString("0.##", CultureInfo.InvariantCulture) + " " + unit;
    }
}
