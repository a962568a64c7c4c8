namespace Dormouse.Core.Instances;

/// <summary>
/// The machine's memory budget over all revisions: admits starts, makes room by taking back idle instances (longest idle first), and lets the rest wait
/// in order of arrival. Same rules as an engine: no I/O, clock or lock.
/// </summary>
public sealed class MachineArbiter
{
    public MachineArbiter(long budgetMib, int startsAtOnceMax) => throw new NotImplementedException();

    /// <summary>A revision wants this instance started.</summary>
    public void Request(InstanceId instance, int memoryMib, MonotonicTime now, ArbiterEffects effects) => throw new NotImplementedException();

    /// <summary>Its start ended (ready or failed): another may start.</summary>
    public void StartEnded(InstanceId instance, MonotonicTime now, ArbiterEffects effects) => throw new NotImplementedException();

    /// <summary>It is gone, or its request was taken back: its memory is free.</summary>
    public void Released(InstanceId instance, MonotonicTime now, ArbiterEffects effects) => throw new NotImplementedException();

    /// <summary>It has no work since <paramref name="now"/> and may be taken back.</summary>
    public void Idle(InstanceId instance, MonotonicTime now, ArbiterEffects effects) => throw new NotImplementedException();

    /// <summary>It has work again.</summary>
    public void Busy(InstanceId instance) => throw new NotImplementedException();

    public long UsedMib => throw new NotImplementedException();

    public long BudgetMib => throw new NotImplementedException();
}

/// <summary>Effects of one call of the arbiter.</summary>
public sealed class ArbiterEffects
{
    /// <summary>May start now.</summary>
    public List<InstanceId> Admitted { get; } = [];

    /// <summary>To be taken back: send <c>RevisionEvent.Evict</c> to its engine.</summary>
    public List<InstanceId> Evicted { get; } = [];

    /// <summary>Will never fit: larger than the whole budget. Its engine gets InstanceFailed (Memory).</summary>
    public List<InstanceId> Impossible { get; } = [];

    public void Clear()
    {
        Admitted.Clear();
        Evicted.Clear();
        Impossible.Clear();
    }
}
