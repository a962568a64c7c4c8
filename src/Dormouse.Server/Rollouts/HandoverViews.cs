using System.Collections.Immutable;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;
using Dormouse.Protocol.Control;
using Dormouse.Server.Control;

namespace Dormouse.Server.Rollouts;

/// <summary>From a handover to the API's.</summary>
internal static class HandoverViews
{
    public static HandoverInfo Info(Handover handover, ImmutableArray<(RevisionId Revision, RevisionSample Sample)> samples) => new()
    {
        State = Words.Of(handover.State),
        Traffic = handover.Traffic.ToImmutableSortedDictionary(t => RevisionViews.Name(t.Revision), t => t.Weight),
        Settings = new HandoverSettings(handover.Policy.Warm, Durations.Format(handover.Policy.KeepOld), Durations.Format(handover.Policy.TimeLimit)),
        Standby = handover.Standby.IsEmpty ? null : handover.Standby.ToImmutableSortedDictionary(s => RevisionViews.Name(s.Revision), s => s.Instances),
        Ready = handover.Standby.IsEmpty ? null : handover.Standby.ToImmutableSortedDictionary(s => RevisionViews.Name(s.Revision), s => Ready(samples, s.Revision)),
        Reason = handover.Reason,
        StartedAt = handover.StartedAt,
        MovedAt = handover.MovedAt,
        KeptUntil = handover.KeptUntil,
    };

    /// <summary>For logs; null where there is nothing to tell.</summary>
    public static string? Sentence(Handover handover)
    {
        var standby = string.Join(", ", handover.Standby.Select(s => $"{s.Instances} of r{s.Revision}"));
        var traffic = string.Join(' ', handover.Traffic.Select(t => $"r{t.Revision}={t.Weight}"));
        return handover.State switch
        {
            HandoverState.Warming when !handover.Standby.IsEmpty => $"{standby} start, then the traffic becomes {traffic}",
            HandoverState.Keeping => $"the traffic is {traffic}: {handover.Reason}; {standby} are kept for {Durations.Words(handover.Policy.KeepOld)}",
            HandoverState.Done => $"the traffic is {traffic}: {handover.Reason}; nothing old is kept",
            HandoverState.Failed => $"the traffic stays as it is: {handover.Reason}",
            HandoverState.Ended => $"ended: {handover.Reason}",
            _ => null,
        };
    }

    private static int Ready(ImmutableArray<(RevisionId Revision, RevisionSample Sample)> samples, int revision) =>
        samples.Where(s => s.Revision.Number == revision).Sum(s => s.Sample.Instances.Count(i => i.State == InstanceState.Ready));
}
