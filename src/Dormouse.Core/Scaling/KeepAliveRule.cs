using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Scaling;

/// <summary>What is done with the last instance of a revision that has fallen idle. Times count from the end of its last run.</summary>
/// <param name="Keep">How long it is kept from there.</param>
/// <param name="StartAgainAfter">When one is started for the invocation that is expected; null = none.</param>
/// <param name="Until">When nothing is kept any more; <paramref name="Keep"/> when none is started again.</param>
/// <param name="Why">Why, to go after "keep-alive 60 s"; empty for a fixed one.</param>
public readonly record struct KeepAlivePlan(TimeSpan Keep, TimeSpan? StartAgainAfter, TimeSpan Until, string Why)
{
    /// <summary>A time that the user set.</summary>
    public static KeepAlivePlan Fixed(TimeSpan keep, string why = "") => new(keep, null, keep, why);
}

/// <summary>
/// Learns from the gaps between invocations when an idle instance is worth its memory: in those stretches of an idle time in which the next invocation is
/// likely enough to come. That is a first stretch from the last run on, and possibly a later one, for which an instance is started again.
/// </summary>
/// <remarks>
/// A cold start is worth <see cref="WorthFactor"/> idle time-outs of idling. Each bin of the histogram then has a value of its own, the chance that the next
/// invocation falls into it times that worth, less the time that the instance is expected to idle in it; the plan takes the bins with the largest sum.
/// Worked example, idle time-out 60 s: 200 gaps of 9 s, all in the bin from 8.7 s to 9.5 s. That bin is worth about 200 ÷ 210 × 120 s and costs, with the bins before it, 9 s:
/// keep for 9.5 s. Were they of 600 s, keeping all the way would cost five times what it is worth: stop soon, start again for the bin from 558 s to 609 s.
/// The histogram, the start ahead and the fall-backs are those of Shahrad et al., "Serverless in the Wild" (ATC 2020); decision 0019 says why not its percentiles, 0060 whence the chances.
/// </remarks>
public static class KeepAliveRule
{
    /// <summary>Gaps that must be known before anything is learned from them.</summary>
    public const int SamplesMin = 10;

    /// <summary>Idle time-outs that one cold start is worth. With two, the simulated loads take less memory than with the fixed time-out at hardly more cold starts, most of them less of both.</summary>
    public const double WorthFactor = 2;

    /// <summary>What is learned must save this share of what idling and cold starts cost with the fixed time-out; less is no pattern.</summary>
    private const double SavingMin = 0.05;

    /// <summary>An instance is started this share of the gap before it is expected.</summary>
    private const double Margin = 0.05;

    /// <summary>Shortest time that an instance is kept, since invocations come in groups.</summary>
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(2);

    /// <summary>A pause must be this long, and this many starts long, to be worth a stop and a start.</summary>
    private static readonly TimeSpan PauseMin = TimeSpan.FromSeconds(10);
    private const int PauseStartsMin = 10;

    /// <summary>The plan for the next idle time.</summary>
    /// <param name="gaps">Gaps so far.</param>
    /// <param name="idleTimeout">The revision's: what is kept while nothing is known, and the measure of what a cold start is worth.</param>
    /// <param name="startTime">How long a start takes; null = not known.</param>
    public static KeepAlivePlan Plan(IdleGaps gaps, TimeSpan idleTimeout, TimeSpan? startTime)
    {
        if (gaps.Count < SamplesMin)
        {
            return KeepAlivePlan.Fixed(idleTimeout, "too few samples to learn from");
        }

        if (gaps.Beyond * 2 > gaps.Count)
        {
            return KeepAlivePlan.Fixed(idleTimeout, $"most of {gaps.Count} gaps are longer than {Durations.Words(IdleGaps.Longest)}");
        }

        var worth = idleTimeout * WorthFactor;
        Span<double> values = stackalloc double[IdleGaps.BinCount];
        Span<double> left = stackalloc double[IdleGaps.BinCount];
        Value(gaps, worth.TotalSeconds, values, left);
        var (value, keptBins, again) = Best(values, left, startTime ?? TimeSpan.Zero);
        var fixedValue = FixedValue(values, idleTimeout);
        if (value - fixedValue < SavingMin * (worth.TotalSeconds - fixedValue))
        {
            return KeepAlivePlan.Fixed(idleTimeout, $"{gaps.Count} gaps show no pattern that would save memory or starts");
        }

        var keep = Kept(keptBins);
        if (again is { } stretch)
        {
            var (from, until) = (IdleGaps.Edge(stretch.Start.Value), IdleGaps.Edge(stretch.End.Value));
            var after = (from * (1 - Margin)) - (startTime ?? TimeSpan.Zero);
            return new KeepAlivePlan(keep, after, until, $"{Share(gaps, stretch)} % of {gaps.Count} gaps are from {Durations.Words(from)} to {Durations.Words(until)}");
        }

        var within = Share(gaps, ..IdleGaps.Bin(worth));
        var why = within < 50 ? $"only {within} % of {gaps.Count} gaps are shorter than {Durations.Words(worth)}" : $"{Share(gaps, ..keptBins)} % of {gaps.Count} gaps are shorter";
        return KeepAlivePlan.Fixed(keep, why);
    }

    /// <summary>What it is worth, in seconds of idling, to have an instance during each bin.</summary>
    /// <param name="left">Chance that the gap reaches the bin.</param>
    private static void Value(IdleGaps gaps, double worth, Span<double> values, Span<double> left)
    {
        Span<double> chances = stackalloc double[IdleGaps.BinCount];
        var longer = GapChances.Fill(gaps, chances);
        for (var bin = IdleGaps.BinCount - 1; bin >= 0; bin--)
        {
            var chance = chances[bin];
            var width = (IdleGaps.Edge(bin + 1) - IdleGaps.Edge(bin)).TotalSeconds;
            values[bin] = (chance * worth) - (width * (longer + (chance / 2)));
            longer += chance;
            left[bin] = longer;
        }
    }

    /// <summary>The first bins and the later stretch with the largest sum. One pass from the end finds the best stretch from each bin on, one from the start joins it with the best first bins that leave a pause.</summary>
    private static (double Value, int KeptBins, Range? Again) Best(ReadOnlySpan<double> values, ReadOnlySpan<double> left, TimeSpan startTime)
    {
        Span<double> stretchValue = stackalloc double[IdleGaps.BinCount];
        Span<int> stretchEnd = stackalloc int[IdleGaps.BinCount];
        for (var bin = IdleGaps.BinCount - 1; bin >= 0; bin--)
        {
            var goesOn = bin + 1 < IdleGaps.BinCount && stretchValue[bin + 1] > 0;
            (stretchValue[bin], stretchEnd[bin]) = goesOn ? (values[bin] + stretchValue[bin + 1], stretchEnd[bin + 1]) : (values[bin], bin + 1);
        }

        var pause = PauseMin > startTime * PauseStartsMin ? PauseMin : startTime * PauseStartsMin;
        var (best, keptBins, again) = (0.0, 0, (Range?)null);
        var (sum, reached, firstValue, firstBins) = (0.0, 0, 0.0, 0);
        for (var bin = 0; bin < IdleGaps.BinCount; bin++)
        {
            var latest = (IdleGaps.Edge(bin) * (1 - Margin)) - startTime - pause;
            while (reached < bin && Kept(reached + 1) <= latest)
            {
                sum += values[reached++];
                (firstValue, firstBins) = sum > firstValue ? (sum, reached) : (firstValue, firstBins);
            }

            var joined = firstValue + stretchValue[bin] - (IdleGaps.Edge(bin).TotalSeconds * Margin * left[bin]);
            if (latest >= Linger && joined > best)
            {
                (best, keptBins, again) = (joined, firstBins, bin..stretchEnd[bin]);
            }
        }

        sum = 0;
        for (var bin = 0; bin < IdleGaps.BinCount; bin++)
        {
            sum += values[bin];
            if (sum >= best)
            {
                (best, keptBins, again) = (sum, bin + 1, null);
            }
        }

        return (best, keptBins, again);
    }

    private static double FixedValue(ReadOnlySpan<double> values, TimeSpan keep)
    {
        var sum = 0.0;
        for (var bin = 0; bin < values.Length && IdleGaps.Edge(bin + 1) <= keep; bin++)
        {
            sum += values[bin];
        }

        return sum;
    }

    private static TimeSpan Kept(int bins) => IdleGaps.Edge(bins) > Linger ? IdleGaps.Edge(bins) : Linger;

    private static int Share(IdleGaps gaps, Range bins) => (int)Math.Round(100.0 * gaps.CountOf(bins) / gaps.Count);
}
