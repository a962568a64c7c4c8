using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Rollouts;

/// <summary>What the user set for one canary.</summary>
/// <param name="Percent">Share of the invocations that the new revision gets, 1 to 99.</param>
/// <param name="SamplesMin">Judged invocations of the new revision before it may be promoted, 20 to 100,000; the old needs as many.</param>
/// <param name="TimeLimit">After it a canary with too few samples is rolled back, 1 min to 7 days.</param>
public sealed record CanaryPolicy(int Percent, int SamplesMin, TimeSpan TimeLimit);

/// <summary>Where a canary is.</summary>
public enum CanaryState
{
    /// <summary>Its revision is being verified; it has no traffic yet.</summary>
    Waiting,

    /// <summary>Its revision has its share of the traffic and is watched.</summary>
    Running,

    /// <summary>Its revision was given all traffic.</summary>
    Promoted,

    /// <summary>The traffic is what it was before.</summary>
    RolledBack,

    /// <summary>Someone else changed the traffic, or its revision was refused at verifying.</summary>
    Ended,
}

/// <summary>The last canary of an endpoint, as it is stored with it.</summary>
public sealed record Canary
{
    /// <summary>Number of the new revision.</summary>
    public required int Revision { get; init; }

    public required CanaryPolicy Policy { get; init; }

    public required CanaryState State { get; init; }

    /// <summary>Looks taken at the counts so far, 0 to <see cref="CanaryRule.Looks"/>. They are never taken again, not even after a restart.</summary>
    public int LooksTaken { get; init; }

    /// <summary>Why it ended; null before.</summary>
    public string? Reason { get; init; }

    /// <summary>The traffic that it is compared with and goes back to; empty while it waits.</summary>
    public ImmutableArray<TrafficShare> OldTraffic { get; init; } = [];

    /// <summary>What <c>rollback</c> would have returned to before it began.</summary>
    public ImmutableArray<TrafficShare> EarlierTraffic { get; init; } = [];

    /// <summary>When its revision got its share, UTC; null while it waits.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    public DateTimeOffset? EndedAt { get; init; }

    public bool IsOpen => State is CanaryState.Waiting or CanaryState.Running;
}
