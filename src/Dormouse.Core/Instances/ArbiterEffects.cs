namespace Dormouse.Core.Instances;

/// <summary>Effects of calls of the arbiter.</summary>
public sealed class ArbiterEffects
{
    /// <summary>May start now.</summary>
    public List<InstanceId> Admitted { get; } = [];

    /// <summary>To be taken back: send <c>RevisionEvent.Evict</c> to its engine.</summary>
    public List<InstanceId> Evicted { get; } = [];

    /// <summary>Busy, and to go when they have finished: send <c>RevisionEvent.GiveWay</c> to their engines.</summary>
    public List<InstanceId> GivingWay { get; } = [];

    /// <summary>Will never fit: larger than the whole budget. Its engine gets InstanceFailed (Memory), then InstanceGone.</summary>
    public List<InstanceId> Impossible { get; } = [];

    /// <summary>When a start waits for nothing but its turn in time: call <see cref="MachineArbiter.Look"/> then. <see cref="MonotonicTime.Never"/> = none does.</summary>
    public MonotonicTime LookAgainAt { get; set; } = MonotonicTime.Never;

    /// <summary>Nothing is to be done.</summary>
    public bool IsEmpty => Admitted.Count + Evicted.Count + GivingWay.Count + Impossible.Count == 0;

    public void Clear()
    {
        Admitted.Clear();
        Evicted.Clear();
        GivingWay.Clear();
        Impossible.Clear();
        LookAgainAt = MonotonicTime.Never;
    }
}
