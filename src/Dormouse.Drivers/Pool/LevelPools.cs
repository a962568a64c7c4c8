using Dormouse.Core.Endpoints;

namespace Dormouse.Drivers.Pool;

/// <summary>The pools of one kind of worker, one for each level of isolation that somebody wanted. Used from the driver's inbox only.</summary>
/// <param name="make">Makes an empty pool of a level.</param>
internal sealed class LevelPools(Isolation isolation, Func<IsolationLevel, WorkerPool> make) : IDisposable
{
    private readonly Dictionary<IsolationLevel, WorkerPool> _pools = [];

    /// <summary>Why there can be no workers of this kind at any level; null = there can.</summary>
    public string? Refusal { get; set; }

    /// <summary>Build of the last worker that said hello; null before the first.</summary>
    public string? WorkerBuild => _pools.Values.Select(pool => pool.WorkerBuild).FirstOrDefault(build => build is not null);

    public WorkerPool Of(IsolationLevel level)
    {
        if (_pools.TryGetValue(level, out var known))
            return known;
        var pool = make(level);
        pool.Refusal = RefusalOf(level);
        _pools.Add(level, pool);
        return pool;
    }

    /// <summary>What can be started is another thing now: pools that can be filled are, and claims of those that cannot are answered.</summary>
    public void Open()
    {
        foreach (var (level, pool) in _pools)
        {
            pool.Refusal = RefusalOf(level);
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

    /// <summary>Ends the workers that nobody has taken. False: of some level there are claims or starts, and its pool stays.</summary>
    public bool TryClose()
    {
        foreach (var (level, pool) in _pools.ToArray())
        {
            if (pool.TryClose() && _pools.Remove(level))
                pool.Dispose();
        }

        return _pools.Count == 0;
    }

    public void Dispose()
    {
        foreach (var pool in _pools.Values)
            pool.Dispose();
    }

    private string? RefusalOf(IsolationLevel level) => isolation.Refusal(level) ?? Refusal;
}
