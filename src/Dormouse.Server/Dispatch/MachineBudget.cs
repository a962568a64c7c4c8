using Dormouse.Core;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
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
    private readonly MonotonicClock _clock;
    private readonly TimerWheel _wheel;
    private MonotonicTime _looksAt = MonotonicTime.Never;

    public MachineBudget(MachineLimits limits, MonotonicClock clock, TimerWheel wheel)
    {
        Limits = limits;
        _arbiter = new MachineArbiter(limits);
        _clock = clock;
        _wheel = wheel;
    }

    /// <summary>The turn in time of starts that waited has come: to be carried out without a lock.</summary>
    public event Action<Aftermath>? Opened;

    public MachineLimits Limits { get; }

    public void Request(InstanceId instance, TenantId tenant, InstanceNeed need, MonotonicTime now, ref Aftermath? aftermath)
    {
        lock (_arbiterLock)
        {
            _arbiter.Request(instance, tenant, need, now, _effects);
            TakeLocked(ref aftermath);
        }
    }

    /// <summary>A start that nobody waits for: false when there is no room to spare.</summary>
    public bool TryRequestSpare(InstanceId instance, TenantId tenant, InstanceNeed need, MonotonicTime now)
    {
        lock (_arbiterLock)
        {
            return _arbiter.TryRequestSpare(instance, tenant, need, now);
        }
    }

    /// <summary>What starts wait for that were not admitted.</summary>
    public HoldReason Hold(MonotonicTime now)
    {
        lock (_arbiterLock)
        {
            return _arbiter.Hold(now) ?? HoldReason.Memory;
        }
    }

    public void StartEnded(InstanceId instance, MonotonicTime now, ref Aftermath? aftermath)
    {
        lock (_arbiterLock)
        {
            _arbiter.StartEnded(instance, now, _effects);
            TakeLocked(ref aftermath);
        }
    }

    public void Released(InstanceId instance, MonotonicTime now, ref Aftermath? aftermath)
    {
        lock (_arbiterLock)
        {
            _arbiter.Released(instance, now, _effects);
            TakeLocked(ref aftermath);
        }
    }

    /// <summary>Which instances of a revision may be taken back from now on, and which no longer; and whether it has waited too long.</summary>
    public void Offer(RevisionEffects offered, MonotonicTime now, ref Aftermath? aftermath)
    {
        if (offered.BecameBusy.Count + offered.BecameIdle.Count == 0 && offered.Pressing is null)
        {
            return;
        }

        lock (_arbiterLock)
        {
            foreach (var instance in offered.BecameBusy)
            {
                _arbiter.Busy(instance, now, _effects);
            }

            foreach (var instance in offered.BecameIdle)
            {
                _arbiter.Idle(instance, offered.IdleWorth, now, _effects);
            }

            if (offered.Pressing is { } pressing)
            {
                _arbiter.Press(pressing, now, _effects);
            }

            TakeLocked(ref aftermath);
        }
    }

    private void Look(MonotonicTime wish)
    {
        Aftermath? aftermath = null;
        lock (_arbiterLock)
        {
            if (wish != _looksAt)
            {
                // An earlier wish took its place.
                return;
            }

            _looksAt = MonotonicTime.Never;
            _arbiter.Look(_clock.Now, _effects);
            TakeLocked(ref aftermath);
        }

        if (aftermath is not null)
        {
            Opened?.Invoke(aftermath);
        }
    }

    private void TakeLocked(ref Aftermath? aftermath)
    {
        if (_effects.LookAgainAt < _looksAt)
        {
            _looksAt = _effects.LookAgainAt;
            _wheel.Schedule(_looksAt, Look);
        }

        if (!_effects.IsEmpty)
        {
            aftermath ??= new Aftermath();
            aftermath.Admitted.AddRange(_effects.Admitted);
            aftermath.Evicted.AddRange(_effects.Evicted);
            aftermath.GivingWay.AddRange(_effects.GivingWay);
            aftermath.Impossible.AddRange(_effects.Impossible);
        }

        if (!_effects.IsEmpty || _effects.LookAgainAt != MonotonicTime.Never)
        {
            _effects.Clear();
        }
    }
}
