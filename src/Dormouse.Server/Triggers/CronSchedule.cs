using Cronos;
using Dormouse.Core.Endpoints;

namespace Dormouse.Server.Triggers;

/// <summary>Times of a cron expression in a time zone. A time that a change of clocks leaves out is taken right after it; one that comes twice is taken once, unless the expression fires at intervals.</summary>
internal sealed class CronSchedule
{
    public const string DefaultZone = "UTC";

    /// <summary>An expression has no years: one that fires at all fires after this.</summary>
    private static readonly DateTimeOffset AnyTime = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly CronExpression _cron;
    private readonly TimeZoneInfo _zone;

    private CronSchedule(CronExpression cron, TimeZoneInfo zone) => (_cron, _zone) = (cron, zone);

    /// <summary>Null with a sentence when it cannot be read or never fires.</summary>
    public static CronSchedule? Parse(string expression, string zoneName, out string? fault)
    {
        CronExpression cron;
        try
        {
            cron = CronExpression.Parse(expression);
        }
        catch (Exception e) when (e is CronFormatException or MissingSeedException)
        {
            fault = $"'schedule' is '{ShownText.Of(expression)}', which cannot be read ({e.Message.TrimEnd('.')}); allowed are five fields: minute, hour, day of the month, month, day of the week, such as '0 3 * * *'.";
            return null;
        }

        if (!TimeZoneInfo.TryFindSystemTimeZoneById(zoneName, out var zone))
        {
            fault = $"'zone' is '{ShownText.Of(zoneName)}', which is not known here; allowed are names of the IANA database, such as Europe/Berlin or UTC.";
            return null;
        }

        fault = cron.GetNextOccurrence(AnyTime, zone) is null ? $"'schedule' is '{expression}', which never fires; allowed is one that has a next time (30 February has none)." : null;
        return fault is null ? new CronSchedule(cron, zone) : null;
    }

    /// <summary>The first time after one, in UTC; null = there is none.</summary>
    public DateTimeOffset? After(DateTimeOffset time) => _cron.GetNextOccurrence(time, _zone)?.ToUniversalTime();

    /// <summary>The last time before one, or at it.</summary>
    public DateTimeOffset? Before(DateTimeOffset time) => _cron.GetPreviousOccurrence(time, _zone, inclusive: true)?.ToUniversalTime();
}
