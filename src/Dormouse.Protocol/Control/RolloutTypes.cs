using System.Collections.Immutable;

namespace Dormouse.Protocol.Control;

/// <param name="Percent">Per cent of the invocations, 1 to 99.</param>
/// <param name="Min">Invocations of each side before it may be promoted, 20 to 100,000; null = 100.</param>
/// <param name="For">Time limit such as "30m", 1 min to 7 days; null = 30 min.</param>
public sealed record CanarySettings(int Percent, int? Min = null, string? For = null);

/// <summary>The canary of an endpoint, or how its last one ended.</summary>
public sealed record CanaryInfo
{
    /// <summary>The new revision, "r4".</summary>
    public required string Revision { get; init; }

    /// <summary>"waiting" (the revision is being verified), "running", "promoted", "rolled_back", "ended".</summary>
    public required string State { get; init; }

    public required CanarySettings Settings { get; init; }

    /// <summary>Why it ended; null before.</summary>
    public string? Reason { get; init; }

    /// <summary>Looks taken at the counts, of five.</summary>
    public int Looks { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>What it waits for although both sides have the samples asked for, a clause; null = nothing.</summary>
    public string? WaitsFor { get; init; }

    /// <summary>What is counted of the new revision since the canary or the server started; null unless it runs.</summary>
    public CanaryCountsInfo? New { get; init; }

    /// <summary>The same of the other revisions together.</summary>
    public CanaryCountsInfo? Old { get; init; }
}

public sealed record CanaryCountsInfo(int Calls, int Failed, int Rejected, double MedianMs, double P95Ms, int WarmRuns, int ColdRuns);

/// <summary>Traffic moves when the revisions that gain some have ready instances; those that lose all keep theirs for a time, for a way back.</summary>
/// <param name="Warm">Ready instances of each revision before the traffic moves, 1 to 1,000; null = its share of those that the endpoint has, at least 1.</param>
/// <param name="KeepOld">How long the old ones are kept, such as "10m", 0 to 24 h; null = 0.</param>
/// <param name="For">Time limit such as "10m", 10 s to 24 h; null = 10 min.</param>
public sealed record HandoverSettings(int? Warm = null, string? KeepOld = null, string? For = null);

/// <summary>The handover of an endpoint, or how its last one ended.</summary>
public sealed record HandoverInfo
{
    /// <summary>"waiting" (the revision is being verified), "warming", "keeping" (traffic has moved, old instances are kept), "done", "failed" (the traffic is what it was), "ended".</summary>
    public required string State { get; init; }

    /// <summary>The traffic to be, weight by revision.</summary>
    public required ImmutableSortedDictionary<string, int> Traffic { get; init; }

    public required HandoverSettings Settings { get; init; }

    /// <summary>Instances by revision that are warmed, or kept; null when there are none.</summary>
    public ImmutableSortedDictionary<string, int>? Standby { get; init; }

    /// <summary>Of these revisions: instances that are ready now.</summary>
    public ImmutableSortedDictionary<string, int>? Ready { get; init; }

    /// <summary>What came of it; null before.</summary>
    public string? Reason { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When the traffic moved; null before.</summary>
    public DateTimeOffset? MovedAt { get; init; }

    /// <summary>Until when the old instances are kept; null unless they are.</summary>
    public DateTimeOffset? KeptUntil { get; init; }
}
