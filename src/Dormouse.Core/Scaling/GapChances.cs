namespace Dormouse.Core.Scaling;

/// <summary>How likely the next gap is to end in each bin, from the gaps that were seen: they are spread over neighbouring bins as far as makes those seen likeliest, and some gaps that nobody saw are added.</summary>
/// <remarks>
/// A kernel density estimate over the logarithm of the gap with a triangular kernel; its width is the one of <see cref="Widths"/> with the best leave-one-out likelihood (Habbema, Hermans and van den Broek 1974; Duin 1976). A timer's gaps stay in their bin, gaps of any
/// length are smoothed, so that a bin that happens to be empty or full teaches nothing.
/// <para>
/// The <see cref="PriorGaps"/> that nobody saw are longer than t seconds with chance 1 ÷ √t. Then a gap that has lasted t ends in the next second with chance 1 ÷ 2t: as long as nothing is known, an instance is worth keeping for exactly the idle
/// time-out, when a cold start is worth two of them (<see cref="KeepAliveRule.WorthFactor"/>).
/// </para>
/// </remarks>
internal static class GapChances
{
    /// <summary>Gaps that are thought to have been seen besides the real ones: few samples do not make certain.</summary>
    public const double PriorGaps = 10;

    /// <summary>How many bins to each side a gap is spread; 0 = none.</summary>
    private static readonly int[] Widths = [0, 1, 3];

    private static readonly double[] Prior = [.. Enumerable.Range(0, IdleGaps.BinCount).Select(bin => PriorGaps * (Longer(bin) - Longer(bin + 1)))];

    /// <summary>Writes the chance of each bin; returns the chance that the gap is longer than all of them. Together they are 1.</summary>
    public static double Fill(IdleGaps gaps, Span<double> chances)
    {
        Span<double> spread = stackalloc double[IdleGaps.BinCount];
        var (all, best) = (gaps.Count + PriorGaps, double.NegativeInfinity);
        foreach (var width in Widths)
        {
            var likelihood = Spread(gaps, width, spread);
            if (likelihood <= best)
            {
                continue;
            }

            best = likelihood;
            for (var bin = 0; bin < IdleGaps.BinCount; bin++)
            {
                chances[bin] = (spread[bin] + Prior[bin]) / all;
            }
        }

        return (gaps.Beyond + (PriorGaps * Longer(IdleGaps.BinCount))) / all;
    }

    /// <summary>Spreads the gaps over their neighbours. What would lie outside the bins stays in the first or last one.</summary>
    /// <returns>The logarithm of the chance of all gaps that were seen, each from what the others say, up to a term that does not depend on the width.</returns>
    private static double Spread(IdleGaps gaps, int width, Span<double> spread)
    {
        spread.Clear();
        var whole = (double)((width + 1) * (width + 1));
        for (var bin = 0; bin < IdleGaps.BinCount; bin++)
        {
            if (gaps[bin] is > 0 and var count)
            {
                for (var offset = -width; offset <= width; offset++)
                {
                    spread[Math.Clamp(bin + offset, 0, IdleGaps.BinCount - 1)] += count * (width + 1 - Math.Abs(offset)) / whole;
                }
            }
        }

        var likelihood = 0.0;
        for (var bin = 0; bin < IdleGaps.BinCount; bin++)
        {
            if (gaps[bin] is > 0 and var count)
            {
                likelihood += count * Math.Log(spread[bin] - OwnShare(bin, width, whole) + Prior[bin]);
            }
        }

        return likelihood;
    }

    /// <summary>What a gap adds to its own bin.</summary>
    private static double OwnShare(int bin, int width, double whole)
    {
        var outside = Math.Max(0, width - Math.Min(bin, IdleGaps.BinCount - 1 - bin));
        return (width + 1 + (outside * (outside + 1) / 2)) / whole;
    }

    private static double Longer(int bin) => 1 / Math.Sqrt(IdleGaps.Edge(bin).TotalSeconds);
}
