namespace Dormouse.Core.Rollouts;

/// <summary>Run times in a histogram: bins that grow by a twelfth root of two (6 %), from 1 µs to about 19 h.</summary>
public sealed class RunTimes
{
    public const int BinsPerDoubling = 12;

    internal const int BinCount = BinsPerDoubling * 36;

    private readonly int[] _bins = new int[BinCount];

    /// <summary>Times recorded.</summary>
    public int Count { get; private set; }

    internal ReadOnlySpan<int> Bins => _bins;

    /// <summary>Counts one run; shorter and longer ones than the bins reach count in the first and last.</summary>
    public void Record(long microseconds)
    {
        _bins[Math.Min(BinCount - 1, (int)(Math.Log2(Math.Max(1, microseconds)) * BinsPerDoubling))]++;
        Count++;
    }

    /// <summary>The time that this share of the runs does not exceed (the middle of its bin); zero when none was recorded.</summary>
    /// <param name="share">Above 0, at most 1.</param>
    public TimeSpan Percentile(double share) =>
        Count == 0 ? TimeSpan.Zero : TimeSpan.FromMicroseconds(Math.Pow(2, (PercentileBin(share) + 0.5) / BinsPerDoubling));

    public RunTimes Copy()
    {
        var copy = new RunTimes { Count = Count };
        _bins.CopyTo(copy._bins, 0);
        return copy;
    }

    internal int PercentileBin(double share)
    {
        var left = (long)Math.Ceiling(Count * share);
        for (var bin = 0; bin < BinCount; bin++)
        {
            left -= _bins[bin];
            if (left <= 0)
            {
                return bin;
            }
        }

        return BinCount - 1;
    }

    /// <summary>Runs in bins above this one.</summary>
    internal int Above(int bin)
    {
        var count = 0;
        for (var i = bin + 1; i < BinCount; i++)
        {
            count += _bins[i];
        }

        return count;
    }
}
