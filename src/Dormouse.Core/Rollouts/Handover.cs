using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Rollouts;

/// <summary>What the user set for one handover.</summary>
/// <param name="Warm">Ready instances that each revision must have before it gets traffic, 1 to 1,000; null = its share of those that the endpoint has when it begins, at least 1.</param>
/// <param name="KeepOld">How long the revisions that lose their traffic keep the instances that they had, 0 to 24 h.</param>
/// <param name="TimeLimit">After it a handover whose instances are not ready has failed, 10 s to 24 h.</param>
public sealed record HandoverPolicy(int? Warm, TimeSpan KeepOld, TimeSpan TimeLimit);

/// <summary>Where a handover is.</summary>
public enum HandoverState
{
    /// <summary>Its revision is being verified.</summary>
    Waiting,

    /// <summary>Instances of the new revisions start; the traffic is what it was.</summary>
    Warming,

    /// <summary>The traffic has moved, and the old revisions keep their instances.</summary>
    Keeping,

    /// <summary>The traffic has moved and nothing old is kept any more.</summary>
    Done,

    /// <summary>The instances did not come up; the traffic is what it was.</summary>
    Failed,

    /// <summary>Someone else changed the traffic, or its revision was refused at verifying.</summary>
    Ended,
}

/// <summary>So many instances of a revision.</summary>
public readonly record struct InstanceShare(int Revision, int Instances);

/// <summary>The last handover of an endpoint, as it is stored with it: traffic moves when the new revisions are warm, and the old ones stay warm for a time.</summary>
public sealed record Handover
{
    /// <summary>The traffic to be.</summary>
    public required ImmutableArray<TrafficShare> Traffic { get; init; }

    public required HandoverPolicy Policy { get; init; }

    public required HandoverState State { get; init; }

    /// <summary>Instances that revisions without traffic are to have: of the new ones while it warms (empty until they are counted), of the old ones while they are kept.</summary>
    public ImmutableArray<InstanceShare> Standby { get; init; } = [];

    /// <summary>What came of it, in words; null while nothing has.</summary>
    public string? Reason { get; init; }

    /// <summary>When its revisions began to warm, UTC; null while it waits.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When the traffic moved; null before.</summary>
    public DateTimeOffset? MovedAt { get; init; }

    /// <summary>It may still move the traffic.</summary>
    public bool IsOpen => State is HandoverState.Waiting or HandoverState.Warming;

    /// <summary>Until when old instances are kept; null unless they are.</summary>
    public DateTimeOffset? KeptUntil => State == HandoverState.Keeping && MovedAt is { } moved ? moved + Policy.KeepOld : null;

    /// <summary>Instances that this revision is to have though it has no traffic.</summary>
    public int StandbyOf(int revision)
    {
        if (State is HandoverState.Warming or HandoverState.Keeping)
        {
            foreach (var share in Standby)
            {
                if (share.Revision == revision)
                {
                    return share.Instances;
                }
            }
        }

        return 0;
    }
}
