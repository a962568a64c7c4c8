using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;

namespace Dormouse.Server.Dispatch;

/// <summary>
/// The machine's arbiter behind its own lock. It is called while an engine's lock is held (that keeps the order of one instance's events),
/// never the other way round; what it wants done is appended to the caller's <see cref="Aftermath"/> and carried out without any lock.
/// </summary>
internal sealed class MachineBudget
{
    private readonly Lock _arbiterLock = new();
    private readonly MachineArbiter _arbiter;
    private readonly ArbiterEffects _effects = new();

    public MachineBudget(long budgetMib, int startsAtOnceMax) => _arbiter = new MachineArbiter(budgetMib, startsAtOnceMax);

    public long BudgetMib => _arbiter.BudgetMib;

    public void Request(InstanceId instance, int memoryMib, ref Aftermath? aftermath)
    {
        lock (_arbiterLock)
        {
            _arbiter.Request(instance, memoryMib, _effects);
            TakeLocked(ref aftermath);
        }
    }

    /// <summary>A start that nobody waits for: false when there is no room to spare.</summary>
    public bool TryRequestSpare(InstanceId instance, int memoryMib)
    {
        lock (_arbiterLock)
        {
            return _arbiter.TryRequestSpare(instance, memoryMib);
        }
    }

    public void StartEnded(InstanceId instance, ref Aftermath? aftermath)
    {
        lock (_arbiterLock)
        {
            _arbiter.StartEnded(instance, _effects);
            TakeLocked(ref aftermath);
        }
    }

    public void Released(InstanceId instance, ref Aftermath? aftermath)
    {
        lock (_arbiterLock)
        {
            _arbiter.Released(instance, _effects);
            TakeLocked(ref aftermath);
        }
    }

    /// <summary>Which instances of a revision may be taken back from now on, and which no longer.</summary>
    public void Offer(RevisionEffects offered, ref Aftermath? aftermath)
    {
        if (offered.BecameBusy.Count + offered.BecameIdle.Count == 0)
        {
            return;
        }

        lock (_arbiterLock)
        {
            foreach (var instance in offered.BecameBusy)
            {
                _arbiter.Busy(instance, _effects);
            }

            foreach (var instance in offered.BecameIdle)
            {
                _arbiter.Idle(instance, offered.IdleWorth, _effects);
            }

            TakeLocked(ref aftermath);
        }
    }

    private void TakeLocked(ref Aftermath? aftermath)
    {
        if (_effects.Admitted.Count + _effects.Evicted.Count + _effects.Impossible.Count == 0)
        {
            return;
        }

        aftermath ??= new Aftermath();
        aftermath.Admitted.AddRange(_effects.Admitted);
        aftermath.Evicted.AddRange(_effects.Evicted);
        aftermath.Impossible.AddRange(_effects.Impossible);
        _effects.Clear();
    }
}
