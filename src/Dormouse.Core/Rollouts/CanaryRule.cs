using System.Globalization;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Rollouts;

/// <summary>What to do with a canary.</summary>
public abstract record CanaryDecision
{
    private CanaryDecision()
    {
    }

    /// <param name="LooksTaken">So many looks are used up now.</param>
    public sealed record Continue(int LooksTaken) : CanaryDecision;

    public sealed record Promote(string Reason) : CanaryDecision;

    public sealed record RollBack(string Reason) : CanaryDecision;
}

/// <summary>
/// Judges a new revision against the old. The counts are looked at <see cref="Looks"/> times: when both sides have 10, 20, 40, 70 and 100 % of the samples asked for. At each
/// look four one-sided tests ask whether the new is worse: failures and rejections (Fisher's exact test), the typical run time (Mann–Whitney, the old's times made 26 % longer) and
/// slow runs (Fisher's test of the runs beyond 1.26 × the old's 95th percentile). One that says so rolls back; else the last look promotes.
/// </summary>
/// <remarks>
/// Each test has the level <see cref="FalseAlarmsMax"/> ÷ (looks × tests), so that by Bonferroni's bound at most that share of equal revisions is rolled back, however
/// the tests and looks depend on each other. Too few samples within the time limit roll back: a promotion rests on evidence.
/// </remarks>
public static class CanaryRule
{
    /// <summary>Looks that one canary has.</summary>
    public const int Looks = 5;

    /// <summary>Largest share of canaries no worse than the old that are rolled back.</summary>
    public const double FalseAlarmsMax = 0.01;

    private const int Tests = 4;
    private const double Level = FalseAlarmsMax / (Looks * Tests);

    /// <summary>Four bins of a twelfth root of two: 26 %.</summary>
    private const int MarginBins = 4;

    /// <summary>Fewer run times than this on a side say nothing.</summary>
    private const int TimesMin = 10;

    private static readonly double[] Shares = [0.1, 0.2, 0.4, 0.7, 1];

    /// <summary>Samples that both sides need for this look.</summary>
    /// <param name="look">0 to <see cref="Looks"/> − 1.</param>
    public static int SamplesFor(CanaryPolicy policy, int look) => (int)Math.Ceiling(policy.SamplesMin * Shares[look]);

    /// <summary>Decides at this moment.</summary>
    /// <param name="looksTaken">0 to <see cref="Looks"/> − 1.</param>
    /// <param name="elapsed">Since the new revision got its share.</param>
    public static CanaryDecision Decide(CanaryPolicy policy, RevisionCounts newer, RevisionCounts older, int looksTaken, TimeSpan elapsed)
    {
        var samples = Math.Min(newer.Samples, older.Samples);
        if (samples >= SamplesFor(policy, looksTaken))
        {
            if (Worse(newer, older) is { } worse)
            {
                return new CanaryDecision.RollBack(worse);
            }

            // A look that came late takes those before it along.
            while (looksTaken < Looks && samples >= SamplesFor(policy, looksTaken))
            {
                looksTaken++;
            }

            if (looksTaken == Looks)
            {
                return new CanaryDecision.Promote(NoWorse(newer, older));
            }
        }

        return elapsed < policy.TimeLimit
            ? new CanaryDecision.Continue(looksTaken)
            : new CanaryDecision.RollBack(
                $"too few calls to judge it within {Durations.Format(policy.TimeLimit)}: {newer.Samples} of the new and {older.Samples} of the old, needed are {policy.SamplesMin} of each");
    }

    /// <summary>A sentence when a test says that the new is worse.</summary>
    private static string? Worse(RevisionCounts newer, RevisionCounts older)
    {
        if (Significance.Fisher(newer.Failed, newer.Samples, older.Failed, older.Samples) < Level)
        {
            return $"it fails more often: {newer.Failed} of {newer.Samples} calls against {older.Failed} of {older.Samples}";
        }

        if (Significance.Fisher(newer.Rejected, newer.Samples, older.Rejected, older.Samples) < Level)
        {
            return $"it rejects more requests: {newer.Rejected} of {newer.Samples} calls against {older.Rejected} of {older.Samples}";
        }

        if (newer.Times.Count < TimesMin || older.Times.Count < TimesMin)
        {
            return null;
        }

        if (Significance.MannWhitney(newer.Times, older.Times, MarginBins) < Level)
        {
            return $"it is slower: median run {Median(newer)} against {Median(older)}";
        }

        var bound = older.Times.PercentileBin(0.95) + MarginBins;
        var (slow, slowBefore) = (newer.Times.Above(bound), older.Times.Above(bound));
        return Significance.Fisher(slow, newer.Times.Count, slowBefore, older.Times.Count) < Level
            ? $"it has more slow runs: {slow} of {newer.Times.Count} against {slowBefore} of {older.Times.Count} were over 1.26 × {Milliseconds(older.Times.Percentile(0.95))}, the old's 95th percentile"
            : null;
    }

    private static string NoWorse(RevisionCounts newer, RevisionCounts older) =>
        $"no worse in {newer.Samples} calls: {Share(newer.Failed, newer.Samples)} failed against {Share(older.Failed, older.Samples)} of {older.Samples}"
        + (newer.Times.Count > 0 && older.Times.Count > 0 ? $", median run {Median(newer)} against {Median(older)}" : "");

    private static string Median(RevisionCounts counts) => Milliseconds(counts.Times.Percentile(0.5));

    private static string Milliseconds(TimeSpan time) => time.TotalMilliseconds.ToString("G3", CultureInfo.InvariantCulture) + " ms";

    private static string Share(int part, int all) => (all == 0 ? 0 : 100.0 * part / all).ToString("0.##", CultureInfo.InvariantCulture) + " %";
}
