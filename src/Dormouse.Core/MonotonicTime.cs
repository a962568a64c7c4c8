namespace Dormouse.Core;

/// <summary>
/// A point on a clock that never runs backwards, in ticks of 100 ns since an arbitrary start. It is never stored:
/// it means nothing to another process. Differences are <see cref="TimeSpan"/>.
/// </summary>
/// <param name="Ticks">100 ns since the clock's start; compared as a number.</param>
public readonly record struct MonotonicTime(long Ticks) : IComparable<MonotonicTime>
{
    /// <summary>Later than every real point: "no deadline".</summary>
    public static readonly MonotonicTime Never = new(long.MaxValue);

    public static MonotonicTime operator +(MonotonicTime time, TimeSpan span) => time.Add(span);

    public static TimeSpan operator -(MonotonicTime later, MonotonicTime earlier) => later.Subtract(earlier);

    public static bool operator <(MonotonicTime left, MonotonicTime right) => left.Ticks < right.Ticks;

    public static bool operator >(MonotonicTime left, MonotonicTime right) => left.Ticks > right.Ticks;

    public static bool operator <=(MonotonicTime left, MonotonicTime right) => left.Ticks <= right.Ticks;

    public static bool operator >=(MonotonicTime left, MonotonicTime right) => left.Ticks >= right.Ticks;

    /// <summary>This point moved by <paramref name="span"/>; saturates at <see cref="Never"/> instead of overflowing.</summary>
    public MonotonicTime Add(TimeSpan span)
    {
        var ticks = Ticks + span.Ticks;
        return span.Ticks > 0 && ticks < Ticks ? Never : new(ticks);
    }

    public TimeSpan Subtract(MonotonicTime earlier) => new(Ticks - earlier.Ticks);

    public int CompareTo(MonotonicTime other) => Ticks.CompareTo(other.Ticks);
}
