namespace Dormouse.Core.Instances;

/// <summary>
/// The machine's memory budget over all revisions: admits starts, makes room by taking back the idle instances that are worth the least, and lets the rest wait
/// in order of arrival. Same rules as an engine: no I/O, clock or lock.
/// </summary>
/// <remarks>
/// The order is strict: a small start never passes a larger one that came before it, so none starves, and an evicted instance's own restart stands behind the start that
/// evicted it. Which idle one goes is decided as in FaasCache (Fuerst and Sharma, ASPLOS 2021; GreedyDual): each has the priority of the last that went when it fell idle, plus its worth;
/// the least goes, among equals the one idle longest. So worth counts, and what was worth much once grows old as others go. Idle instances are only taken back when all of them that are needed together make room for the first start that waits; a sacrifice that would not help is not made.
/// Calls about instances that it does not know are ignored: they lost a race.
/// </remarks>
public sealed class MachineArbiter
{
    private readonly int _startsAtOnceMax;
    private readonly Dictionary<InstanceId, Claim> _claims = [];
    private readonly LinkedList<Claim> _waiting = new();

    /// <summary>In the order in which they fell idle.</summary>
    private readonly LinkedList<Claim> _idle = new();

    private int _starting;
    private long _idleMib;

    /// <summary>Priority of the last one that was taken back.</summary>
    private double _age;

    /// <summary>Memory of instances that were told to go and have not gone.</summary>
    private long _evictingMib;

    /// <param name="budgetMib">Memory that all instances may have together, MiB; at least 0.</param>
    /// <param name="startsAtOnceMax">Starts under way at once; at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A bound is broken.</exception>
    public MachineArbiter(long budgetMib, int startsAtOnceMax)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(budgetMib);
        ArgumentOutOfRangeException.ThrowIfLessThan(startsAtOnceMax, 1);
        BudgetMib = budgetMib;
        _startsAtOnceMax = startsAtOnceMax;
    }

    /// <summary>Memory of admitted instances that are not gone, MiB; at most <see cref="BudgetMib"/>.</summary>
    public long UsedMib { get; private set; }

    public long BudgetMib { get; }

    /// <summary>Starts that wait for room or for their turn.</summary>
    public int WaitingCount => _waiting.Count;

    /// <summary>A revision wants this instance started.</summary>
    /// <param name="instance">Asked for once; a second request is ignored.</param>
    /// <param name="memoryMib">Its memory limit, MiB; at least 0. More than the whole budget = <see cref="ArbiterEffects.Impossible"/>, and nothing is remembered.</param>
    public void Request(InstanceId instance, int memoryMib, ArbiterEffects effects)
    {
        if (_claims.ContainsKey(instance))
        {
            return;
        }

        if (memoryMib > BudgetMib)
        {
            effects.Impossible.Add(instance);
            return;
        }

        var claim = new Claim(instance, memoryMib);
        _claims.Add(instance, claim);
        _waiting.AddLast(claim.Place);
        Admit(effects);
    }

    /// <summary>
    /// A start that nobody waits for: it begins at once, or not at all when it would have to wait or another instance would have to go. True when it may begin; then it
    /// is known as after <see cref="Request"/>.
    /// </summary>
    public bool TryRequestSpare(InstanceId instance, int memoryMib)
    {
        if (_claims.ContainsKey(instance) || _waiting.Count > 0 || _starting >= _startsAtOnceMax || UsedMib + memoryMib > BudgetMib)
        {
            return false;
        }

        var claim = new Claim(instance, memoryMib) { State = ClaimState.Starting };
        _claims.Add(instance, claim);
        _starting++;
        UsedMib += memoryMib;
        return true;
    }

    /// <summary>Its start ended (ready or failed): another may start.</summary>
    public void StartEnded(InstanceId instance, ArbiterEffects effects)
    {
        if (_claims.TryGetValue(instance, out var claim) && claim.State == ClaimState.Starting)
        {
            claim.State = ClaimState.Busy;
            _starting--;
            Admit(effects);
        }
    }

    /// <summary>It is gone, or its request was taken back: its memory is free.</summary>
    public void Released(InstanceId instance, ArbiterEffects effects)
    {
        if (!_claims.Remove(instance, out var claim))
        {
            return;
        }

        switch (claim.State)
        {
            case ClaimState.Waiting:
                _waiting.Remove(claim.Place);
                break;
            case ClaimState.Starting:
                _starting--;
                UsedMib -= claim.MemoryMib;
                break;
            default:
                LeaveIdle(claim);
                UsedMib -= claim.MemoryMib;
                break;
        }

        Admit(effects);
    }

    /// <summary>It has no work and may be taken back; its start has ended, whether or not that was said.</summary>
    /// <param name="worth">What is lost when it goes, for each GiB (<see cref="Scaling.IdleWorth"/>); at least 0.</param>
    public void Idle(InstanceId instance, double worth, ArbiterEffects effects)
    {
        if (_claims.TryGetValue(instance, out var claim) && claim.State is (ClaimState.Busy or ClaimState.Starting))
        {
            _starting -= claim.State == ClaimState.Starting ? 1 : 0;
            claim.State = ClaimState.Idle;
            claim.Priority = _age + worth;
            _idle.AddLast(claim.Place);
            _idleMib += claim.MemoryMib;
            Admit(effects);
        }
    }

    /// <summary>It has work again, also when it was told to go; then others are taken back in its place.</summary>
    public void Busy(InstanceId instance, ArbiterEffects effects)
    {
        if (_claims.TryGetValue(instance, out var claim))
        {
            LeaveIdle(claim);
            Admit(effects);
        }
    }

    private void LeaveIdle(Claim claim)
    {
        if (claim.State == ClaimState.Idle)
        {
            _idle.Remove(claim.Place);
            _idleMib -= claim.MemoryMib;
        }
        else if (claim.State == ClaimState.Evicting)
        {
            _evictingMib -= claim.MemoryMib;
        }

        claim.State = claim.State is ClaimState.Idle or ClaimState.Evicting ? ClaimState.Busy : claim.State;
    }

    private void Admit(ArbiterEffects effects)
    {
        while (_starting < _startsAtOnceMax && _waiting.First is { Value: var claim })
        {
            if (UsedMib + claim.MemoryMib > BudgetMib)
            {
                MakeRoom(UsedMib + claim.MemoryMib - BudgetMib, effects);
                return;
            }

            _waiting.RemoveFirst();
            claim.State = ClaimState.Starting;
            _starting++;
            UsedMib += claim.MemoryMib;
            effects.Admitted.Add(claim.Instance);
        }
    }

    private void MakeRoom(long neededMib, ArbiterEffects effects)
    {
        if (_evictingMib + _idleMib < neededMib)
        {
            return;
        }

        while (_evictingMib < neededMib && LeastWorth() is { } claim)
        {
            _age = claim.Priority;
            _idle.Remove(claim.Place);
            _idleMib -= claim.MemoryMib;
            _evictingMib += claim.MemoryMib;
            claim.State = ClaimState.Evicting;
            effects.Evicted.Add(claim.Instance);
        }
    }

    /// <summary>A look at all idle ones: a budget of 24 GiB holds 384 of the smallest.</summary>
    private Claim? LeastWorth()
    {
        Claim? least = null;
        foreach (var claim in _idle)
        {
            least = least is null || claim.Priority < least.Priority ? claim : least;
        }

        return least;
    }

    private enum ClaimState
    {
        Waiting,
        Starting,
        Busy,
        Idle,
        Evicting,
    }

    /// <summary>One instance's hold on memory. Its one list node moves between the lists, so going idle and busy allocates nothing.</summary>
    private sealed class Claim
    {
        public Claim(InstanceId instance, int memoryMib)
        {
            Instance = instance;
            MemoryMib = memoryMib;
            Place = new LinkedListNode<Claim>(this);
        }

        public InstanceId Instance { get; }

        public int MemoryMib { get; }

        public ClaimState State { get; set; }

        /// <summary>Meaningful while it is idle.</summary>
        public double Priority { get; set; }

        public LinkedListNode<Claim> Place { get; }
    }
}

/// <summary>Effects of one call of the arbiter.</summary>
public sealed class ArbiterEffects
{
    /// <summary>May start now.</summary>
    public List<InstanceId> Admitted { get; } = [];

    /// <summary>To be taken back: send <c>RevisionEvent.Evict</c> to its engine.</summary>
    public List<InstanceId> Evicted { get; } = [];

    /// <summary>Will never fit: larger than the whole budget. Its engine gets InstanceFailed (Memory), then InstanceGone.</summary>
    public List<InstanceId> Impossible { get; } = [];

    public void Clear()
    {
        Admitted.Clear();
        Evicted.Clear();
        Impossible.Clear();
    }
}
