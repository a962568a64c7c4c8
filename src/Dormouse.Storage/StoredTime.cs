using System.Globalization;

namespace Dormouse.Storage;

/// <summary>Wall-clock instants at rest: whole µs since 1970 UTC; what is finer is cut off.</summary>
internal static class StoredTime
{
    private const long MicrosecondsPerHour = 3_600_000_000;

    public static long ToMicroseconds(DateTimeOffset time) =>
        Floor(time.UtcTicks - DateTimeOffset.UnixEpoch.Ticks, TimeSpan.TicksPerMicrosecond);

    public static DateTimeOffset FromMicroseconds(long microseconds) => DateTimeOffset.UnixEpoch.AddTicks(microseconds * TimeSpan.TicksPerMicrosecond);

    /// <summary>Start of the UTC hour that holds the instant.</summary>
    public static long HourOf(long microseconds) => Floor(microseconds, MicrosecondsPerHour) * MicrosecondsPerHour;

    public static string Words(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);

    private static long Floor(long value, long unit) => (value / unit) - (value % unit < 0 ? 1 : 0);
}
