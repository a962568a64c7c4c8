namespace Dormouse.Drivers.Pool;

/// <summary>The pools of one kind of worker, one for each placement (level of isolation, and network) that somebody wanted. Used from the driver's inbox only.</summary>
/// <param name="make">Makes an empty pool.</param>
internal sealed class LevelPools(Isolation isolation, Func<Placement, WorkerPool> make) : IDisposable
{
    private readonly Dictionary<Placement, WorkerPool> _pools = [];

    /// <summary>Why there can be no workers of this kind at all; null = there can.</summary>
    public string? Refusal { get; set; }

    /// <summary>Build of the last worker that said hello; null before the first.</summary>
    public string? WorkerBuild => _pools.Values.Select(pool => pool.WorkerBuild).FirstOrDefault(build => build is not null);

    public WorkerPool Of(Placement placement)
    {
        if (_pools.TryGetValue(placement, out var known))
            return known;
        var pool = make(placement);
        pool.Refusal = RefusalOf(placement);
        _pools.Add(placement, pool);
        return pool;
    }

    /// <summary>What can be started is another thing now: pools that can be filled are, and claims of those that cannot are answered.</summary>
    public void Open()
    {
        foreach (var (placement, pool) in _pools)
        {
            pool.Refusal = RefusalOf(placement);
            if (pool.Refusal is { } refusal)
                pool.DenyAll(refusal);
            else
                pool.Open();
        }
    }

    /// <summary>Answers every claim that waits.</summary>
    public void DenyAll(string reason)
    {
        foreach (var pool in _pools.Values)
            pool.DenyAll(reason);
    }

    /// <summary>Ends the workers that nobody has taken. False: somewhere there are claims or starts, and its pool stays.</summary>
    public bool TryClose()
    {
        foreach (var (placement, pool) in _pools.ToArray())
        {
            if (pool.TryClose() && _pools.Remove(placement))
                pool.Dispose();
        }

        return _pools.Count == 0;
    }

    public void Dispose()
    {
        foreach (var pool in _pools.Values)
            pool.Dispose();
    }

    private string? RefusalOf(Placement placement) => isolation.Refusal(placement) ?? Refusal;
}
