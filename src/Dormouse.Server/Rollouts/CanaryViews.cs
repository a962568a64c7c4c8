using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;
using Dormouse.Protocol.Control;
using Dormouse.Server.Control;

namespace Dormouse.Server.Rollouts;

/// <summary>From a canary to the API's.</summary>
internal static class CanaryViews
{
    /// <param name="watch">Null when it does not run.</param>
    public static CanaryInfo Info(Canary canary, CanaryWatch? watch)
    {
        var counts = canary.State == CanaryState.Running ? watch?.Read() : null;
        var compared = counts is { } both ? CanaryRule.Comparable(both.Newer, both.Older) : null;
        return new CanaryInfo
        {
            Revision = RevisionViews.Name(canary.Revision),
            State = Words.Of(canary.State),
            Settings = new CanarySettings(canary.Policy.Percent, canary.Policy.SamplesMin, Durations.Format(canary.Policy.TimeLimit)),
            Reason = canary.Reason,
            Looks = canary.LooksTaken,
            StartedAt = canary.StartedAt,
            EndedAt = canary.EndedAt,
            WaitsFor = counts is { } all ? CanaryRule.WaitsFor(canary.Policy, all.Newer, all.Older) : null,
            New = counts is { Newer: var newer } ? Counts(newer, compared?.Newer) : null,
            Old = counts is { Older: var older } ? Counts(older, compared?.Older) : null,
        };
    }

    /// <param name="compared">The run times that are compared; null = they cannot be yet, and warm ones are shown.</param>
    private static CanaryCountsInfo Counts(RevisionCounts counts, RunTimes? compared)
    {
        var times = compared ?? counts.Times;
        return new CanaryCountsInfo(
            counts.Samples, counts.Failed, counts.Rejected, times.Percentile(0.5).TotalMilliseconds, times.Percentile(0.95).TotalMilliseconds, counts.Times.Count, counts.ColdTimes.Count);
    }
}
