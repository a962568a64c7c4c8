namespace Dormouse.Core.Rollouts;

/// <summary>One-sided tests: how likely is what was seen, or worse, if the new is no worse than the old.</summary>
internal static class Significance
{
    /// <summary>Fisher's exact test of two shares.</summary>
    /// <returns>The chance of at least <paramref name="newHits"/> of all hits falling to the new, if hits fall to all alike; 1 when there are none.</returns>
    public static double Fisher(int newHits, int newCount, int oldHits, int oldCount)
    {
        var hits = newHits + oldHits;
        var all = newCount + oldCount;
        if (newHits == 0)
        {
            return 1;
        }

        var total = LogChoose(all, newCount);
        var sum = 0.0;
        for (var k = newHits; k <= Math.Min(hits, newCount); k++)
        {
            if (newCount - k <= all - hits)
            {
                sum += Math.Exp(LogChoose(hits, k) + LogChoose(all - hits, newCount - k) - total);
            }
        }

        return Math.Min(1, sum);
    }

    /// <summary>Mann–Whitney test, normal approximation with correction for ties, of "the new is longer than <paramref name="marginBins"/> bins above the old".</summary>
    public static double MannWhitney(RunTimes newTimes, RunTimes oldTimes, int marginBins)
    {
        double below = 0, wins = 0, ties = 0;
        for (var bin = 0; bin < RunTimes.BinCount + marginBins; bin++)
        {
            double news = bin < RunTimes.BinCount ? newTimes.Bins[bin] : 0;
            double olds = bin >= marginBins ? oldTimes.Bins[bin - marginBins] : 0;
            wins += news * (below + (olds / 2));
            below += olds;
            var tied = news + olds;
            ties += (tied * tied * tied) - tied;
        }

        double n = newTimes.Count, m = oldTimes.Count, all = n + m;
        var variance = n * m / 12 * (all + 1 - (ties / (all * (all - 1))));
        return variance <= 0 ? (wins > n * m / 2 ? 0 : 1) : UpperTail((wins - (n * m / 2) - 0.5) / Math.Sqrt(variance));
    }

    /// <summary>Chance of a standard normal value above <paramref name="z"/>; Abramowitz and Stegun 26.2.17, error below 1e-7.</summary>
    private static double UpperTail(double z)
    {
        if (z < 0)
        {
            return 1 - UpperTail(-z);
        }

        var t = 1 / (1 + (0.2316419 * z));
        var polynomial = t * (0.319381530 + (t * (-0.356563782 + (t * (1.781477937 + (t * (-1.821255978 + (t * 1.330274429))))))));
        return Math.Exp(-z * z / 2) / Math.Sqrt(2 * Math.PI) * polynomial;
    }

    private static double LogChoose(int n, int k) => LogFactorial(n) - LogFactorial(k) - LogFactorial(n - k);

    /// <summary>Summed up to 16, from there Stirling's series: its error is below 1e-10.</summary>
    private static double LogFactorial(int n)
    {
        if (n < 16)
        {
            var sum = 0.0;
            for (var i = 2; i <= n; i++)
            {
                sum += Math.Log(i);
            }

            return sum;
        }

        return (n * Math.Log(n)) - n + (0.5 * Math.Log(2 * Math.PI * n)) + (1.0 / (12.0 * n)) - (1.0 / (360.0 * n * n * n)) + (1.0 / (1260.0 * n * n * n * n * n));
    }
}
