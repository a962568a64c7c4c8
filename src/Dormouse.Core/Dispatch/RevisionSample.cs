using System.Collections.Immutable;
using Dormouse.Core.Instances;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Dispatch;

public enum InstanceState
{
    /// <summary>Asked for; the machine has not admitted it yet or it is loading.</summary>
    Starting,
    Ready,

    /// <summary>No new invocations; finishes the running ones.</summary>
    Draining,

    /// <summary>Killed; its memory may not be free yet.</summary>
    Stopping,
}

public sealed record InstanceSample(InstanceId Instance, InstanceState State, int Running, MonotonicTime StartedAt, MonotonicTime? IdleSince, bool IsProvisioned = false);

/// <summary>One revision as it is now.</summary>
/// <param name="Concurrency">What is found of runs at once; null where the user gave a number.</param>
public sealed record RevisionSample(
    int Queued, long QueuedBytes, int Running, bool IsDraining, ImmutableArray<InstanceSample> Instances, ConcurrencyState? Concurrency = null);
