using System.Collections.Immutable;
using Dormouse.Core.Instances;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Dispatch;

public enum InstanceState
{
    /// <summary>Asked for: it is loading, or the machine has not admitted it yet.</summary>
    Starting,
    Ready,

    /// <summary>No new invocations; finishes the running ones.</summary>
    Draining,

    /// <summary>Killed; its memory may not be free yet.</summary>
    Stopping,

    /// <summary>Idle and stopped from running: it keeps its memory and uses no processor time. It takes invocations again once it is thawed.</summary>
    Frozen,

    /// <summary>As an observer sees one that is starting and for which the machine has no room yet.</summary>
    Waiting,
}

public sealed record InstanceSample(InstanceId Instance, InstanceState State, int Running, MonotonicTime StartedAt, MonotonicTime? IdleSince, bool IsProvisioned = false)
{
    /// <summary>What one that waits was held for when it was asked for; null = it does not wait.</summary>
    public HoldReason? HeldFor { get; init; }
}

/// <summary>One revision as it is now.</summary>
/// <param name="Concurrency">What is found of runs at once; null where the user gave a number.</param>
public sealed record RevisionSample(
    int Queued, long QueuedBytes, int Running, bool IsDraining, ImmutableArray<InstanceSample> Instances, ConcurrencyState? Concurrency = null)
{
    /// <summary>Of each instance, now.</summary>
    public int Slots { get; init; } = 1;
}
