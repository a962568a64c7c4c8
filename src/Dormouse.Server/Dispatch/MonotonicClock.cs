using Dormouse.Core;

namespace Dormouse.Server.Dispatch;

/// <summary>Reads the injected time provider as Core's monotonic time.</summary>
internal sealed class MonotonicClock(TimeProvider time)
{
    private readonly long _origin = time.GetTimestamp();

    public TimeProvider Time => time;

    public MonotonicTime Now => new(time.GetElapsedTime(_origin).Ticks);
}
