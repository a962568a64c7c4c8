namespace Dormouse.Core.Instances;

/// <summary>
/// How many starts may begin in a time: a token bucket that holds a second's worth, at least one. So in any stretch of t seconds at most <see cref="Burst"/> + t × rate begin.
/// </summary>
/// <remarks>Kept as the moment at which the bucket is full again (the generic cell rate algorithm of ITU-T I.371), so there is no count that has to be filled up by a timer.</remarks>
/// <param name="perSecond">Starts a second, above 0; null = no bound.</param>
internal sealed class StartRate(double? perSecond)
{
    private readonly TimeSpan _each = perSecond is { } rate ? TimeSpan.FromTicks((long)Math.Ceiling(TimeSpan.TicksPerSecond / rate)) : TimeSpan.Zero;

    private MonotonicTime? _fullAt;

    /// <summary>Starts that may begin at once after a pause.</summary>
    public int Burst { get; } = (int)Math.Clamp(Math.Floor(perSecond ?? 1), 1, 1_000_000);

    /// <summary>When the next start may begin; null = at once, whenever that is.</summary>
    public MonotonicTime? NextAt => perSecond is null || _fullAt is not { } full ? null : full + (_each * -(Burst - 1));

    public bool IsOpen(MonotonicTime now) => NextAt is not { } next || next <= now;

    /// <summary>A start begins.</summary>
    public void Take(MonotonicTime now)
    {
        if (perSecond is not null)
        {
            _fullAt = (_fullAt is { } full && full > now ? full : now) + _each;
        }
    }
}
