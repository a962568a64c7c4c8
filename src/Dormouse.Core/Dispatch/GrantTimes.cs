namespace Dormouse.Core.Dispatch;

/// <summary>How a wait divides; the three sum to the whole wait.</summary>
public readonly record struct WaitParts(TimeSpan Queue, TimeSpan Start, TimeSpan Load);

/// <summary>Says what a caller waited for.</summary>
public static class GrantTimes
{
    /// <summary>
    /// Lays the wait [arrived, granted] over the instance's own story: it loaded during the last <paramref name="loadTime"/> before it was ready, and
    /// started during the <paramref name="startTime"/> before that. What of the wait lies in neither is queue. Worked example: ready at 10 ms after a start
    /// of 3 and a load of 2 ms; a caller that came at 6 ms and got its slot at 11 ms waited 2 ms of the start (6 to 8), 2 ms of the load (8 to 10) and 1 ms in the queue.
    /// </summary>
    /// <param name="arrived">When the invocation asked for a slot.</param>
    /// <param name="granted">When it got one; not earlier.</param>
    /// <param name="readyAt">When the instance became ready.</param>
    /// <param name="startTime">As the instance said it; negative counts as zero.</param>
    /// <param name="loadTime">As the instance said it; negative counts as zero.</param>
    public static WaitParts Split(MonotonicTime arrived, MonotonicTime granted, MonotonicTime readyAt, TimeSpan startTime, TimeSpan loadTime)
    {
        var loadBegan = readyAt.Ticks - Math.Max(0, loadTime.Ticks);
        var startBegan = loadBegan - Math.Max(0, startTime.Ticks);
        var load = Overlap(arrived.Ticks, granted.Ticks, loadBegan, readyAt.Ticks);
        var start = Overlap(arrived.Ticks, granted.Ticks, startBegan, loadBegan);
        return new WaitParts((granted - arrived) - start - load, start, load);
    }

    private static TimeSpan Overlap(long from, long to, long otherFrom, long otherTo) =>
        new(Math.Max(0, Math.Min(to, otherTo) - Math.Max(from, otherFrom)));
}
