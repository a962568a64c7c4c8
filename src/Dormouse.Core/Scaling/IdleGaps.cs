namespace Dormouse.Core.Scaling;

/// <summary>
/// How long a revision was without work before the next invocation came: a histogram with bins that grow by a fourth root of two, from 1 s to about 4 h.
/// </summary>
/// <remarks>After Shahrad et al., "Serverless in the Wild" (ATC 2020), whose bins are minutes; ours are finer where a start takes milliseconds.</remarks>
public sealed class IdleGaps
{
    /// <summary>Shorter gaps are work, not idleness: they are not counted.</summary>
    public static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1);

    private const int BinsPerDoubling = 4;
    private const int BinCount = 56;

    /// <summary>With so many counted all are halved, so that what was learned long ago fades.</summary>
    private const int CountMax = 512;

    private readonly ushort[] _bins = new ushort[BinCount];

    /// <summary>Gaps in the bins and beyond.</summary>
    public int Count { get; private set; }

    /// <summary>Of those, gaps that were longer than the last bin reaches.</summary>
    public int Beyond { get; private set; }

    /// <summary>End of the last bin: about 4 h 33 min.</summary>
    public static TimeSpan Longest { get; } = Edge(BinCount);

    /// <summary>Counts one gap; false when it is too short to be one.</summary>
    public bool Record(TimeSpan gap)
    {
        if (gap < Shortest)
        {
            return false;
        }

        var bin = Math.Log2(gap.TotalSeconds) * BinsPerDoubling;
        if (bin >= BinCount)
        {
            Beyond++;
        }
        else
        {
            _bins[(int)bin]++;
        }

        Count++;
        if (Count >= CountMax)
        {
            Halve();
        }

        return true;
    }

    /// <summary>The gap that this share of those within the bins do not exceed: the start of its bin, or the end.</summary>
    /// <param name="share">Above 0, at most 1.</param>
    /// <param name="isUpper">The bin's end instead of its start.</param>
    public TimeSpan Percentile(double share, bool isUpper)
    {
        var left = Math.Ceiling((Count - Beyond) * share);
        for (var bin = 0; bin < BinCount; bin++)
        {
            left -= _bins[bin];
            if (left <= 0 && _bins[bin] > 0)
            {
                return Edge(isUpper ? bin + 1 : bin);
            }
        }

        return Longest;
    }

    /// <summary>Standard deviation of the bins' counts ÷ their mean: large when the gaps are alike, about 1 or less when any is as likely as another.</summary>
    public double BinVariation()
    {
        var mean = (double)(Count - Beyond) / BinCount;
        if (mean == 0)
        {
            return 0;
        }

        var squares = 0.0;
        foreach (var count in _bins)
        {
            squares += (count - mean) * (count - mean);
        }

        return Math.Sqrt(squares / BinCount) / mean;
    }

    private static TimeSpan Edge(int bin) => TimeSpan.FromSeconds(Math.Pow(2, (double)bin / BinsPerDoubling));

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
