using Dormouse.Core;

namespace Dormouse.Simulation.Load;

/// <summary>One invocation that will come.</summary>
/// <param name="RunTime">How long it runs on an instance, whatever else happens there.</param>
public readonly record struct Arrival(MonotonicTime At, TimeSpan RunTime);

/// <summary>The invocations of one endpoint in order of time, made while they are asked for.</summary>
public abstract class ArrivalStream
{
    /// <summary>The next one, never earlier than the last; false when no more come.</summary>
    public abstract bool TryNext(out Arrival arrival);
}
