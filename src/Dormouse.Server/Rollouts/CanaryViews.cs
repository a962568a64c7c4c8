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
        return new CanaryInfo
        {
            Revision = RevisionViews.Name(canary.Revision),
            State = Words.Of(canary.State),
            Settings = new CanarySettings(canary.Policy.Percent, canary.Policy.SamplesMin, Durations.Format(canary.Policy.TimeLimit)),
            Reason = canary.Reason,
            Looks = canary.LooksTaken,
            StartedAt = canary.StartedAt,
            EndedAt = canary.EndedAt,
            New = counts is { Newer: var newer } ? Counts(newer) : null,
            Old = counts is { Older: var older } ? Counts(older) : null,
        };
    }

    private static CanaryCountsInfo Counts(RevisionCounts counts) => new(
        counts.Samples, counts.Failed, counts.Rejected, counts.Times.Percentile(0.5).TotalMilliseconds, counts.Times.Percentile(0.95).TotalMilliseconds);
}
