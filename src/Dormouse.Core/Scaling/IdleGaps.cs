namespace Dormouse.Core.Scaling;

/// <summary>
/// How long a revision was without work before the next invocation came: a histogram with bins that grow by an eighth root of two (9 %), from 1 s to about 4 h 33 min.
/// </summary>
/// <remarks>After Shahrad et al., "Serverless in the Wild" (ATC 2020), whose bins are minutes; ours are finer where a start takes milliseconds.</remarks>
public sealed class IdleGaps
{
    /// <summary>Shorter gaps are work, not idleness: they are not counted.</summary>
    public static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1);

    /// <summary>Bins of the histogram.</summary>
    public const int BinCount = 112;

    private const int BinsPerDoubling = 8;

    /// <summary>With so many counted all are halved, so that what was learned long ago fades.</summary>
    private const int CountMax = 512;

    private static readonly TimeSpan[] Edges = [.. Enumerable.Range(0, BinCount + 1).Select(b => TimeSpan.FromSeconds(Math.Pow(2, (double)b / BinsPerDoubling)))];

    private readonly ushort[] _bins = new ushort[BinCount];

    /// <summary>Gaps in the bins and beyond.</summary>
    public int Count { get; private set; }

    /// <summary>Of those, gaps that were longer than the last bin reaches.</summary>
    public int Beyond { get; private set; }

    /// <summary>End of the last bin: about 4 h 33 min.</summary>
    public static TimeSpan Longest => Edges[BinCount];

    /// <summary>Gaps in one bin.</summary>
    public int this[int bin] => _bins[bin];

    /// <summary>Counts one gap; false when it is too short to be one.</summary>
    public bool Record(TimeSpan gap)
    {
        if (gap < Shortest)
        {
            return false;
        }

        var bin = Bin(gap);
        if (bin == BinCount)
        {
            Beyond++;
        }
        else
        {
            _bins[bin]++;
        }

        Count++;
        if (Count >= CountMax)
        {
            Halve();
        }

        return true;
    }

    /// <summary>Where a bin begins, and the one before it ends.</summary>
    /// <param name="bin">0 to <see cref="BinCount"/>.</param>
    public static TimeSpan Edge(int bin) => Edges[bin];

    /// <summary>The bin of a gap; <see cref="BinCount"/> when it is longer than they reach.</summary>
    /// <param name="gap"><see cref="Shortest"/> or more; a shorter one is in the first bin.</param>
    public static int Bin(TimeSpan gap) => gap <= Shortest ? 0 : (int)Math.Min(Math.Log2(gap.TotalSeconds) * BinsPerDoubling, BinCount);

    /// <summary>Gaps in some bins together.</summary>
    public int CountOf(Range bins)
    {
        var sum = 0;
        foreach (var count in _bins.AsSpan(bins))
        {
            sum += count;
        }

        return sum;
    }

    private void Halve()
    {
        var within = 0;
        for (var bin = 0; bin < BinCount; bin++)
        {
            _bins[bin] /= 2;
            within += _bins[bin];
        }

        Beyond /= 2;
        Count = within + Beyond;
    }
}
