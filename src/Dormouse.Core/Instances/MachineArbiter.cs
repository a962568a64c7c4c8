using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Instances;

/// <summary>
/// The machine's budgets over all revisions – memory, reserved cores, starts at once and starts a second: admits starts, makes room by taking back the idle instances that are worth the least, and lets the rest wait
/// in turn of tenants and endpoints. Same rules as an engine: no I/O, clock or lock.
/// </summary>
/// <remarks>
/// Whose turn it is waits for its room and nobody passes it, however small: so no large one starves, and an evicted instance's own restart stands behind the start that
/// evicted it. Turns are those of <see cref="StartLine{T}"/>; an endpoint that has waited a whole <see cref="Turn"/> with nothing that serves presses (<see cref="Press"/>): it goes before all that do not,
/// and instances that are busy give way to it when they have been there for a turn themselves. So with n endpoints pressing the wait for room is bounded by n + 1 times a turn, <see cref="PressAgain"/>, a start, the longest
/// run of what gives way and its end, whoever else is busy, and each start that is admitted before one adds at most one second ÷ the start rate; instances change places at most once a turn. An idle instance holds the cores that are reserved for it, as it holds its memory: whatever runs has them. Which idle one goes is decided as in FaasCache (Fuerst and Sharma, ASPLOS 2021; GreedyDual): each has the priority of the last that went when it fell idle, plus its worth;
/// the least goes, among equals the one idle longest. So worth counts, and what was worth much once grows old as others go. Idle instances are only taken back when all of them that are needed together make room for the first start that waits; a sacrifice that would not help is not made.
/// Calls about instances that it does not know are ignored: they lost a race.
/// </remarks>
public sealed class MachineArbiter
{
    /// <summary>How long a start waits before it presses, and how long an instance serves before it gives way though it is busy.</summary>
    public static readonly TimeSpan Turn = TimeSpan.FromSeconds(10);

    /// <summary>How often one that waits on presses.</summary>
    public static readonly TimeSpan PressAgain = TimeSpan.FromSeconds(1);

    private readonly MachineLimits _limits;
    private readonly StartRate _rate;
    private readonly Dictionary<InstanceId, InstanceClaim> _claims = [];
    private readonly StartLine<InstanceClaim> _waiting = new();

    /// <summary>Those that press.</summary>
    private readonly StartLine<InstanceClaim> _pressing = new();

    /// <summary>In the order in which they fell idle.</summary>
    private readonly LinkedList<InstanceClaim> _idle = new();

    private int _starting;
    private Room _used;
    private Room _idleRoom;

    /// <summary>Priority of the last one that was taken back.</summary>
    private double _age;

    /// <summary>Of instances that were told to go and have not gone.</summary>
    private Room _evicting;

    /// <exception cref="ArgumentOutOfRangeException">A bound is broken.</exception>
    public MachineArbiter(MachineLimits limits)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limits.MemoryMib);
        ArgumentOutOfRangeException.ThrowIfNegative(limits.CpuMillis);
        ArgumentOutOfRangeException.ThrowIfLessThan(limits.StartsAtOnce, 1);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limits.StartsPerSecond ?? 1);
        _limits = limits;
        _rate = new StartRate(limits.StartsPerSecond);
    }

    /// <summary>Memory of admitted instances that are not gone, MiB; at most <see cref="BudgetMib"/>.</summary>
    public long UsedMib => _used.MemoryMib;

    /// <summary>Cores that are reserved for admitted instances that are not gone, thousandths; at most what <see cref="MachineLimits.CpuMillis"/> allows.</summary>
    public long UsedCpuMillis => _used.CpuMillis;

    public long BudgetMib => _limits.MemoryMib;

    /// <summary>Starts that wait for room or for their turn.</summary>
    public int WaitingCount => _waiting.Count + _pressing.Count;

    /// <summary>What the start whose turn it is waits for; the others wait for their turn after it. Null when nobody waits.</summary>
    public HoldReason? Hold(MonotonicTime now) => (_pressing.First ?? _waiting.First) is not { } claim ? null
        : _starting >= _limits.StartsAtOnce ? HoldReason.StartsAtOnce
        : !_rate.IsOpen(now) ? HoldReason.StartRate
        : Lacking(claim.Need).MemoryMib > 0 ? HoldReason.Memory
        : HoldReason.Cpu;

    /// <summary>A revision wants this instance started.</summary>
    /// <param name="instance">Asked for once; a second request is ignored.</param>
    /// <param name="tenant">Whose turn it takes.</param>
    /// <param name="need">More than the whole budget = <see cref="ArbiterEffects.Impossible"/>, and nothing is remembered.</param>
    public void Request(InstanceId instance, TenantId tenant, InstanceNeed need, MonotonicTime now, ArbiterEffects effects)
    {
        if (_claims.ContainsKey(instance))
        {
            return;
        }

        if (need.MemoryMib > BudgetMib || need.CpuMillis > _limits.CpuMillis)
        {
            effects.Impossible.Add(instance);
            return;
        }

        var claim = new InstanceClaim(instance, tenant, need);
        _claims.Add(instance, claim);
        _waiting.Add(claim, tenant, instance.Revision.Endpoint);
        Admit(now, effects);
    }

    /// <summary>
    /// A start has waited a <see cref="Turn"/> and nothing of its endpoint serves: it goes before those that do not press, and while it is the first of them busy instances are asked to give way to it. To be
    /// repeated every <see cref="PressAgain"/> while it waits. Ignored when it does not.
    /// </summary>
    public void Press(InstanceId instance, MonotonicTime now, ArbiterEffects effects)
    {
        if (!_claims.TryGetValue(instance, out var claim) || claim.State != ClaimState.Waiting)
        {
            return;
        }

        if (!claim.IsPressing)
        {
            _waiting.Remove(claim, claim.Tenant, instance.Revision.Endpoint);
            _pressing.Add(claim, claim.Tenant, instance.Revision.Endpoint);
            claim.IsPressing = true;
            Admit(now, effects);
        }

        if (_pressing.First == claim && _starting < _limits.StartsAtOnce && _rate.IsOpen(now) && !Fits(claim.Need))
        {
            MakeRoomAmongBusy(Lacking(claim.Need), claim.Endpoint, now, effects);
        }
    }

    /// <summary>
    /// A start that nobody waits for: it begins at once, or not at all when it would have to wait or another instance would have to go. True when it may begin; then it
    /// is known as after <see cref="Request"/>.
    /// </summary>
    public bool TryRequestSpare(InstanceId instance, TenantId tenant, InstanceNeed need, MonotonicTime now)
    {
        if (_claims.ContainsKey(instance) || WaitingCount > 0 || _starting >= _limits.StartsAtOnce || !_rate.IsOpen(now) || !Fits(need))
        {
            return false;
        }

        var claim = new InstanceClaim(instance, tenant, need);
        _claims.Add(instance, claim);
        Begin(claim, now);
        return true;
    }

    /// <summary>Its start ended (ready or failed): another may start.</summary>
    public void StartEnded(InstanceId instance, MonotonicTime now, ArbiterEffects effects)
    {
        if (_claims.TryGetValue(instance, out var claim) && claim.State == ClaimState.Starting)
        {
            claim.State = ClaimState.Busy;
            claim.Since = now;
            _starting--;
            Admit(now, effects);
        }
    }

    /// <summary>It is gone, or its request was taken back: its memory is free.</summary>
    public void Released(InstanceId instance, MonotonicTime now, ArbiterEffects effects)
    {
        if (!_claims.Remove(instance, out var claim))
        {
            return;
        }

        switch (claim.State)
        {
            case ClaimState.Waiting:
                LineOf(claim).Remove(claim, claim.Tenant, instance.Revision.Endpoint);
                break;
            case ClaimState.Starting:
                _starting--;
                _used -= claim.Need;
                break;
            default:
                LeaveIdle(claim);
                _used -= claim.Need;
                break;
        }

        Admit(now, effects);
    }

    /// <summary>It has no work and may be taken back; its start has ended, whether or not that was said.</summary>
    /// <param name="worth">What is lost when it goes, for each GiB (<see cref="Scaling.IdleWorth"/>); at least 0.</param>
    public void Idle(InstanceId instance, double worth, MonotonicTime now, ArbiterEffects effects)
    {
        if (_claims.TryGetValue(instance, out var claim) && claim.State is (ClaimState.Busy or ClaimState.Starting))
        {
            _starting -= claim.State == ClaimState.Starting ? 1 : 0;
            claim.State = ClaimState.Idle;
            claim.MustStay = false;
            claim.Priority = _age + worth;
            _idle.AddLast(claim.Place);
            _idleRoom += claim.Need;
            Admit(now, effects);
        }
    }

    /// <summary>It has work again, or must be kept, also when it was told to go; then others are taken back in its place.</summary>
    public void Busy(InstanceId instance, MonotonicTime now, ArbiterEffects effects)
    {
        if (_claims.TryGetValue(instance, out var claim))
        {
            claim.MustStay |= claim.IsGivingWay;
            LeaveIdle(claim);
            Admit(now, effects);
        }
    }

    /// <summary>Time has passed: starts whose turn in time has come begin. To be called at <see cref="ArbiterEffects.LookAgainAt"/>; harmless at any other time.</summary>
    public void Look(MonotonicTime now, ArbiterEffects effects) => Admit(now, effects);

    private void LeaveIdle(InstanceClaim claim)
    {
        if (claim.State == ClaimState.Idle)
        {
            _idle.Remove(claim.Place);
            _idleRoom -= claim.Need;
        }
        else if (claim.State == ClaimState.Evicting)
        {
            _evicting -= claim.Need;
        }

        claim.State = claim.State is ClaimState.Idle or ClaimState.Evicting ? ClaimState.Busy : claim.State;
        claim.IsGivingWay = false;
    }

    private StartLine<InstanceClaim> LineOf(InstanceClaim claim) => claim.IsPressing ? _pressing : _waiting;

    private void Admit(MonotonicTime now, ArbiterEffects effects)
    {
        while (_starting < _limits.StartsAtOnce && (_pressing.First ?? _waiting.First) is { } claim)
        {
            if (!_rate.IsOpen(now))
            {
                // Nobody is taken back before the start may begin.
                effects.LookAgainAt = _rate.NextAt ?? now;
                return;
            }

            if (!Fits(claim.Need))
            {
                MakeRoom(Lacking(claim.Need), effects);
                return;
            }

            LineOf(claim).TakeFirst();
            Begin(claim, now);
            effects.Admitted.Add(claim.Instance);
        }
    }

    private void Begin(InstanceClaim claim, MonotonicTime now)
    {
        claim.State = ClaimState.Starting;
        _starting++;
        _rate.Take(now);
        _used += claim.Need;
    }

    private bool Fits(InstanceNeed need) => Lacking(need) is { MemoryMib: <= 0, CpuMillis: <= 0 };

    /// <summary>What is over the budget with one more; 0 or less = nothing.</summary>
    private Room Lacking(InstanceNeed need) => new(_used.MemoryMib + need.MemoryMib - BudgetMib, _used.CpuMillis + need.CpuMillis - _limits.CpuMillis);

    private void MakeRoom(Room lacking, ArbiterEffects effects)
    {
        if ((_evicting + _idleRoom).Covers(lacking))
        {
            TakeBackIdle(lacking, effects);
        }
    }

    /// <summary>Those worth least, as many as are needed, or all that help.</summary>
    private void TakeBackIdle(Room lacking, ArbiterEffects effects)
    {
        while (!_evicting.Covers(lacking) && LeastWorth(lacking) is { } claim)
        {
            _age = claim.Priority;
            _idle.Remove(claim.Place);
            _idleRoom -= claim.Need;
            _evicting += claim.Need;
            claim.State = ClaimState.Evicting;
            effects.Evicted.Add(claim.Instance);
        }
    }

    /// <summary>Idle ones are not enough: all of them go, and so many busy ones as are needed – of the endpoint that holds most, the one that has served longest. Nobody goes in vain.</summary>
    private void MakeRoomAmongBusy(Room lacking, EndpointId forWhom, MonotonicTime now, ArbiterEffects effects)
    {
        var busy = _claims.Values.Where(c => c.State == ClaimState.Busy && !c.MustStay && c.Since + Turn <= now && c.Endpoint != forWhom).ToList();
        if (!busy.Aggregate(_evicting + _idleRoom, (sum, c) => sum + c.Need).Covers(lacking))
        {
            return;
        }

        TakeBackIdle(lacking, effects);
        var held = _claims.Values.Where(c => c.State == ClaimState.Busy).GroupBy(c => c.Endpoint).ToDictionary(g => g.Key, g => g.Aggregate(default(Room), (sum, c) => sum + c.Need));
        while (!_evicting.Covers(lacking) && MostHeld(busy, held, lacking) is { } claim)
        {
            busy.Remove(claim);
            held[claim.Endpoint] -= claim.Need;
            _evicting += claim.Need;
            claim.State = ClaimState.Evicting;
            claim.IsGivingWay = true;
            effects.GivingWay.Add(claim.Instance);
        }
    }

    private InstanceClaim? MostHeld(List<InstanceClaim> busy, Dictionary<EndpointId, Room> held, Room lacking) => busy
        .Where(c => _evicting.IsHelpedBy(c.Need, lacking))
        .OrderByDescending(c => _evicting.MemoryMib < lacking.MemoryMib ? held[c.Endpoint].MemoryMib : held[c.Endpoint].CpuMillis)
        .ThenBy(c => c.Since)
        .ThenBy(c => c.Instance.Number)
        .FirstOrDefault();

    /// <summary>A look at all idle ones: a budget of 24 GiB holds 384 of the smallest. One that has nothing of what is lacking stays.</summary>
    private InstanceClaim? LeastWorth(Room lacking)
    {
        InstanceClaim? least = null;
        foreach (var claim in _idle)
        {
            least = _evicting.IsHelpedBy(claim.Need, lacking) && (least is null || claim.Priority < least.Priority) ? claim : least;
        }

        return least;
    }
}
