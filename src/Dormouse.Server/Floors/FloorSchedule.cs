using System.Collections.Immutable;
using System.Globalization;
using Cronos;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Scaling;

namespace Dormouse.Server.Floors;

/// <summary>Expands scheduled floors to windows of UTC: what a cron expression means in a time zone, changes of clocks included, is known here and nowhere else.</summary>
public static class FloorSchedule
{
    /// <summary>An expression has no years: one that fires at all fires after this.</summary>
    private static readonly DateTimeOffset AnyTime = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>What is wrong with the schedules of a spec that is otherwise right: an expression that cannot be read or never fires, a zone that this machine does not know.</summary>
    public static ImmutableArray<SpecError> Faults(RevisionSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return [.. spec.Floors.Select(f => (Floor: f, Fault: Fault(f))).Where(f => f.Fault is not null).Select(f => new SpecError("floors", f.Floor.ToString(), f.Fault!))];
    }

    /// <summary>From when on how many instances the schedules ask for, each as long after <paramref name="from"/>, until <paramref name="span"/> has passed; none while they ask for nothing.</summary>
    /// <param name="spec">Its schedules are without <see cref="Faults"/>.</param>
    public static IEnumerable<(TimeSpan After, int Instances)> Over(RevisionSpec spec, DateTimeOffset from, TimeSpan span)
    {
        var (now, last) = (from, 0);
        while (true)
        {
            var (floor, changesAt) = At(spec, now);
            if (floor.Instances != last)
            {
                yield return (now - from, floor.Instances);
                last = floor.Instances;
            }

            if (changesAt is not { } next || next >= from + span)
            {
                yield break;
            }

            now = next;
        }
    }

    /// <summary>The floor in force: the largest of those whose window is open.</summary>
    /// <returns>It, and when to ask again; null = it stays for ever.</returns>
    internal static (InstanceFloor Floor, DateTimeOffset? ChangesAt) At(RevisionSpec spec, DateTimeOffset now)
    {
        var current = InstanceFloor.None;
        DateTimeOffset? changesAt = null;
        foreach (var floor in spec.Floors)
        {
            // Stored floors were checked; a zone that this machine has lost since opens no window.
            if (!CronExpression.TryParse(floor.Cron, out var cron) || !TimeZoneInfo.TryFindSystemTimeZoneById(floor.Zone, out var zone))
            {
                continue;
            }

            var next = cron.GetNextOccurrence(now, zone);
            if (cron.GetPreviousOccurrence(now, zone, inclusive: true) is { } opened && opened + floor.Duration is var closes && closes > now)
            {
                current = floor.Instances > current.Instances ? new InstanceFloor(floor.Instances, Words(opened, closes, zone, floor.Zone)) : current;
                next = next < closes ? next : closes;
            }

            changesAt = changesAt is { } earlier && !(next < earlier) ? earlier : next;
        }

        return (current, changesAt);
    }

    private static string? Fault(ScheduledFloor floor)
    {
        CronExpression cron;
        try
        {
            cron = CronExpression.Parse(floor.Cron);
        }
        catch (Exception e) when (e is CronFormatException or MissingSeedException)
        {
            return $"floors has '{ShownText.Of(floor.ToString())}', whose cron expression '{ShownText.Of(floor.Cron)}' cannot be read ({e.Message.TrimEnd('.')}); allowed are five fields: minute, hour, day of the month, month, day of the week, such as '0 8 * * MON-FRI'.";
        }

        if (!TimeZoneInfo.TryFindSystemTimeZoneById(floor.Zone, out var zone))
        {
            return $"floors has '{ShownText.Of(floor.ToString())}', whose time zone '{ShownText.Of(floor.Zone)}' is not known here; allowed are names of the IANA database, such as Europe/Berlin or UTC.";
        }

        return cron.GetNextOccurrence(AnyTime, zone) is null
            ? $"floors has '{floor}', whose cron expression '{floor.Cron}' never fires; allowed is one that has a next time (30 February has none)."
            : null;
    }

    /// <summary>By the clock of the zone; with the date where it is not the same day's.</summary>
    private static string Words(DateTimeOffset opened, DateTimeOffset closes, TimeZoneInfo zone, string name)
    {
        var (from, to) = (TimeZoneInfo.ConvertTime(opened, zone), TimeZoneInfo.ConvertTime(closes, zone));
        var form = from.Date == to.Date ? "HH:mm" : "yyyy-MM-dd HH:mm";
        return $"from {from.ToString(form, CultureInfo.InvariantCulture)} to {to.ToString(form, CultureInfo.InvariantCulture)} {name}";
    }
}
