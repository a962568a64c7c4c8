using System.Globalization;

namespace Dormouse.Core.Endpoints;

/// <summary>From each moment of a schedule on, for a duration, at least so many instances are kept warm.</summary>
/// <param name="Cron">Five fields, or a word such as <c>@daily</c>; what they mean is known outside Core.</param>
/// <param name="Zone">IANA name of the time zone that <paramref name="Cron"/> is read in.</param>
/// <param name="Duration">Elapsed time, so a window over a change of clocks ends an hour earlier or later by the wall clock; 1 min to 7 days.</param>
/// <param name="Instances">1 to max_instances.</param>
public sealed record ScheduledFloor(string Cron, string Zone, TimeSpan Duration, int Instances)
{
    public const string DefaultZone = "UTC";

    /// <summary>Says what is allowed, for refusals.</summary>
    public const string Form = "'CRON [ZONE] for DURATION = INSTANCES', such as '0 8 * * MON-FRI Europe/Berlin for 10h = 2'";

    public static readonly TimeSpan DurationMin = TimeSpan.FromMinutes(1);
    public static readonly TimeSpan DurationMax = TimeSpan.FromDays(7);

    private const string For = " for ";
    private const int CronFields = 5;

    /// <summary>Reads <see cref="Form"/>; blanks between the parts count as one. Neither the schedule nor any bound is checked.</summary>
    public static bool TryParse(string? text, out ScheduledFloor floor)
    {
        floor = new ScheduledFloor("", DefaultZone, default, 0);
        var words = string.Join(' ', (text ?? "").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        var middle = words.LastIndexOf(For, StringComparison.Ordinal);
        if (middle < 0 || words[(middle + For.Length)..].Split('=', StringSplitOptions.TrimEntries) is not [var duration, var instances])
        {
            return false;
        }

        var schedule = words[..middle].Split(' ');
        var fields = schedule[0].StartsWith('@') ? 1 : CronFields;
        if (schedule.Length < fields || schedule.Length > fields + 1
            || !Durations.TryParse(duration, out var time)
            || !int.TryParse(instances, NumberStyles.None, CultureInfo.InvariantCulture, out var count))
        {
            return false;
        }

        floor = new ScheduledFloor(string.Join(' ', schedule[..fields]), schedule.Length > fields ? schedule[fields] : DefaultZone, time, count);
        return true;
    }

    /// <summary>As <see cref="TryParse"/> reads it.</summary>
    public override string ToString() => $"{Cron} {Zone}{For}{Durations.Format(Duration)} = {Instances.ToString(CultureInfo.InvariantCulture)}";
}
