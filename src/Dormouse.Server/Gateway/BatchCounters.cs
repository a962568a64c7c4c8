namespace Dormouse.Server.Gateway;

/// <summary>Runs of one revision by their rows, since the server started. Empty where invocations do not share runs.</summary>
internal sealed class BatchCounters
{
    /// <summary>Sizes counted apart; a request with more rows than a batch may have makes sizes of its own, which beyond this count as the largest.</summary>
    public const int SizesMax = 1_024;

    private readonly Lock _sizesLock = new();
    private readonly SortedDictionary<long, (long Runs, long RunMicroseconds)> _sizes = [];
    private long _runs;

    /// <summary>Runs of all sizes.</summary>
    public long Runs => Volatile.Read(ref _runs);

    public void Count(long rows, long runMicroseconds)
    {
        lock (_sizesLock)
        {
            var size = Math.Clamp(rows, 1, SizesMax);
            var (runs, microseconds) = _sizes.GetValueOrDefault(size);
            _sizes[size] = (runs + 1, microseconds + runMicroseconds);
            _runs++;
        }
    }

    /// <summary>By rows, ascending.</summary>
    public (long Rows, long Runs, long RunMicroseconds)[] Sizes()
    {
        lock (_sizesLock)
        {
            return [.. _sizes.Select(size => (size.Key, size.Value.Runs, size.Value.RunMicroseconds))];
        }
    }
}
