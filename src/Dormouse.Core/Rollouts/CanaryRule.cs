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

/// <summary>Run times of one kind, of both sides.</summary>
/// <param name="AreCold">Of runs after a cold start; else of warm ones.</param>
public sealed record ComparedTimes(RunTimes Newer, RunTimes Older, bool AreCold);

/// <summary>
/// Judges a new revision against the old. The counts are looked at <see cref="Looks"/> times: when both sides have 10, 20, 40, 70 and 100 % of the samples asked for. At each
/// look four one-sided tests ask whether the new is worse: failures and rejections (Fisher's exact test), the typical run time (Mann–Whitney, the old's times made 26 % longer) and
/// slow runs (Fisher's test of the runs beyond 1.26 × the old's 95th percentile). One that says so rolls back; else the last look promotes. Warm runs are compared with warm ones; where a side has
/// fewer than <see cref="TimesMin"/> of these, runs after a cold start with such runs; and where neither can be, the last look waits for them.
/// </summary>
/// <remarks>
/// Each test has the level <see cref="FalseAlarmsMax"/> ÷ (looks × tests), so that by Bonferroni's bound at most that share of equal revisions is rolled back, however
/// the tests and looks depend on each other. Too few samples, or too few run times, within the time limit roll back: a promotion rests on evidence. Only where the old completes next to nothing
/// there is nothing that the new could be slower than, and the reason says that times were not compared.
/// </remarks>
public static class CanaryRule
{
    /// <summary>Looks that one canary has.</summary>
    public const int Looks = 5;

    /// <summary>Largest share of canaries no worse than the old that are rolled back.</summary>
    public const double FalseAlarmsMax = 0.01;

    /// <summary>Fewer run times than this on a side say nothing.</summary>
    public const int TimesMin = 10;

    private const int Tests = 4;
    private const double Level = FalseAlarmsMax / (Looks * Tests);

    /// <summary>Four bins of a twelfth root of two: 26 %.</summary>
    private const int MarginBins = 4;

    private static readonly double[] Shares = [0.1, 0.2, 0.4, 0.7, 1];

    /// <summary>Samples that both sides need for this look.</summary>
    /// <param name="look">0 to <see cref="Looks"/> − 1.</param>
    public static int SamplesFor(CanaryPolicy policy, int look) => (int)Math.Ceiling(policy.SamplesMin * Shares[look]);

    /// <summary>Whether the next look can be taken before the time limit: the last one needs run times to compare as well.</summary>
    /// <param name="looksTaken">0 to <see cref="Looks"/> − 1.</param>
    public static bool IsDue(CanaryPolicy policy, RevisionCounts newer, RevisionCounts older, int looksTaken) =>
        Math.Min(newer.Samples, older.Samples) >= SamplesFor(policy, looksTaken) && (looksTaken < Looks - 1 || Comparable(newer, older) is not null);

    /// <summary>The run times that are compared: of warm runs, else of runs after a cold start; null when neither kind has <see cref="TimesMin"/> on both sides.</summary>
    public static ComparedTimes? Comparable(RevisionCounts newer, RevisionCounts older) =>
        newer.Times.Count >= TimesMin && older.Times.Count >= TimesMin ? new ComparedTimes(newer.Times, older.Times, AreCold: false)
        : newer.ColdTimes.Count >= TimesMin && older.ColdTimes.Count >= TimesMin ? new ComparedTimes(newer.ColdTimes, older.ColdTimes, AreCold: true)
        : null;

    /// <summary>What the last look waits for when all samples are there, a clause; null = it does not wait for anything else.</summary>
    public static string? WaitsFor(CanaryPolicy policy, RevisionCounts newer, RevisionCounts older) =>
        Math.Min(newer.Samples, older.Samples) < policy.SamplesMin || Comparable(newer, older) is not null
            ? null
            : $"{TimesMin} warm runs of each, or as many after a cold start: {newer.Times.Count} and {newer.ColdTimes.Count} against {older.Times.Count} and {older.ColdTimes.Count}";

    /// <summary>Decides at this moment.</summary>
    /// <param name="looksTaken">0 to <see cref="Looks"/> − 1.</param>
    /// <param name="elapsed">Since the new revision got its share.</param>
    public static CanaryDecision Decide(CanaryPolicy policy, RevisionCounts newer, RevisionCounts older, int looksTaken, TimeSpan elapsed)
    {
        var samples = Math.Min(newer.Samples, older.Samples);
        var isOver = elapsed >= policy.TimeLimit;
        if (IsDue(policy, newer, older, looksTaken) || (isOver && samples >= SamplesFor(policy, looksTaken)))
        {
            var times = Comparable(newer, older);
            if (Worse(newer, older, times) is { } worse)
            {
                return new CanaryDecision.RollBack(worse);
            }

            // A look that came late takes those before it along.
            while (looksTaken < (times is null && !isOver ? Looks - 1 : Looks) && samples >= SamplesFor(policy, looksTaken))
            {
                looksTaken++;
            }

            if (looksTaken == Looks)
            {
                return Ended(policy, newer, older, times);
            }
        }

        return isOver
            ? new CanaryDecision.RollBack(
                $"too few calls to judge it within {Durations.Format(policy.TimeLimit)}: {newer.Samples} of the new and {older.Samples} of the old, needed are {policy.SamplesMin} of each")
            : new CanaryDecision.Continue(looksTaken);
    }

    /// <summary>No test of the last look says that it is worse.</summary>
    /// <param name="times">Null = they cannot be compared, and the time limit has passed.</param>
    private static CanaryDecision Ended(CanaryPolicy policy, RevisionCounts newer, RevisionCounts older, ComparedTimes? times)
    {
        var noWorse = $"no worse in {newer.Samples} calls: {Share(newer.Failed, newer.Samples)} failed against {Share(older.Failed, older.Samples)} of {older.Samples}";
        if (times is not null)
        {
            return new CanaryDecision.Promote($"{noWorse}, {Medians(times)}");
        }

        return older.Times.Count + older.ColdTimes.Count is var completed && completed < TimesMin
            ? new CanaryDecision.Promote($"{noWorse}; run times were not compared: {completed} runs of the old completed, needed are {TimesMin}")
            : new CanaryDecision.RollBack(
                $"too few runs to compare their times within {Durations.Format(policy.TimeLimit)}: {newer.Times.Count} warm and {newer.ColdTimes.Count} after a cold start of the new, "
                + $"{older.Times.Count} and {older.ColdTimes.Count} of the old, needed are {TimesMin} of a kind of each; a larger share or min_instances keeps it warm");
    }

    /// <summary>A sentence when a test says that the new is worse.</summary>
    /// <param name="times">Null = they cannot be compared.</param>
    private static string? Worse(RevisionCounts newer, RevisionCounts older, ComparedTimes? times)
    {
        if (Significance.Fisher(newer.Failed, newer.Samples, older.Failed, older.Samples) < Level)
        {
            return $"it fails more often: {newer.Failed} of {newer.Samples} calls against {older.Failed} of {older.Samples}";
        }

        if (Significance.Fisher(newer.Rejected, newer.Samples, older.Rejected, older.Samples) < Level)
        {
            return $"it rejects more requests: {newer.Rejected} of {newer.Samples} calls against {older.Rejected} of {older.Samples}";
        }

        return times is null ? null : Slower(times);
    }

    private static string? Slower(ComparedTimes times)
    {
        var (newer, older) = (times.Newer, times.Older);
        if (Significance.MannWhitney(newer, older, MarginBins) < Level)
        {
            return $"it is slower: {Medians(times)}";
        }

        var bound = older.PercentileBin(0.95) + MarginBins;
        var (slow, slowBefore) = (newer.Above(bound), older.Above(bound));
        return Significance.Fisher(slow, newer.Count, slowBefore, older.Count) < Level
            ? $"it has more slow runs{AfterStart(times)}: {slow} of {newer.Count} against {slowBefore} of {older.Count} were over 1.26 × {Milliseconds(older.Percentile(0.95))}, the old's 95th percentile"
            : null;
    }

    private static string Medians(ComparedTimes times) =>
        $"median run{AfterStart(times)} {Milliseconds(times.Newer.Percentile(0.5))} against {Milliseconds(times.Older.Percentile(0.5))}";

    private static string AfterStart(ComparedTimes times) => times.AreCold ? " after a cold start" : "";

    private static string Milliseconds(TimeSpan time) => time.TotalMilliseconds.ToString("G3", CultureInfo.InvariantCulture) + " ms";

    private static string Share(int part, int all) => (all == 0 ? 0 : 100.0 * part / all).ToString("0.##", CultureInfo.InvariantCulture) + " %";
}
