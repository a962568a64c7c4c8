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
/// Learns from the gaps between invocations how long an idle instance is worth keeping: long enough for nearly all gaps, and when all are long, gone in
/// between and started again just before the next invocation is expected.
/// </summary>
/// <remarks>The hybrid histogram policy of Shahrad et al., "Serverless in the Wild" (ATC 2020), with its percentiles, margin and fall-backs.</remarks>
public static class KeepAliveRule
{
    /// <summary>Gaps that must be known before anything is learned from them.</summary>
    public const int SamplesMin = 10;

    private const double HeadShare = 0.05;
    private const double TailShare = 0.99;
    private const double Margin = 0.1;

    /// <summary>Bins that vary less say that any gap is as likely as another (the paper's threshold).</summary>
    private const double VariationMin = 2;

    /// <summary>An instance that will be started again is kept for this, since invocations come in groups.</summary>
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(2);

    /// <summary>A pause must be this long, and this many starts long, to be worth a stop and a start.</summary>
    private static readonly TimeSpan PauseMin = TimeSpan.FromSeconds(10);
    private const int PauseStartsMin = 10;

    /// <summary>The plan for the next idle time.</summary>
    /// <param name="gaps">Gaps so far.</param>
    /// <param name="fallback">What is kept while nothing is known: the revision's idle time-out.</param>
    /// <param name="startTime">How long a start takes; null = not known.</param>
    public static KeepAlivePlan Plan(IdleGaps gaps, TimeSpan fallback, TimeSpan? startTime)
    {
        if (gaps.Count < SamplesMin)
        {
            return KeepAlivePlan.Fixed(fallback, "too few samples to learn from");
        }

        if (gaps.Beyond * 2 > gaps.Count)
        {
            return KeepAlivePlan.Fixed(fallback, $"most of {gaps.Count} gaps are longer than {Durations.Words(IdleGaps.Longest)}");
        }

        if (gaps.BinVariation() < VariationMin)
        {
            return KeepAlivePlan.Fixed(fallback, $"{gaps.Count} gaps show no pattern");
        }

        var until = gaps.Percentile(TailShare, isUpper: true) * (1 + Margin);
        var head = gaps.Percentile(HeadShare, isUpper: false);
        var again = (head * (1 - Margin)) - (startTime ?? TimeSpan.Zero);
        var pause = again - Linger;
        if (pause >= PauseMin && pause >= (startTime ?? TimeSpan.Zero) * PauseStartsMin)
        {
            return new KeepAlivePlan(Linger, again, until, $"95 % of {gaps.Count} gaps are {Durations.Words(head)} or longer");
        }

        return KeepAlivePlan.Fixed(until, $"99 % of {gaps.Count} gaps are shorter");
    }
}
