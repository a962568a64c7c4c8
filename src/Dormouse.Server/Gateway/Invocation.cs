using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Overflow;
using Dormouse.Core.Usage;

namespace Dormouse.Server.Gateway;

/// <summary>One request on its way through the gateway: what is known of it so far. Owned by one request; no lock.</summary>
/// <param name="arrivedTimestamp">Timestamp of its arrival.</param>
internal sealed class Invocation(InvocationId id, Endpoint endpoint, Revision revision, long arrivedTimestamp)
{
    public InvocationId Id => id;

    public Endpoint Endpoint => endpoint;

    public Revision Revision => revision;

    public long ArrivedTimestamp => arrivedTimestamp;

    public CallerTerms Terms { get; init; } = CallerTerms.None;

    /// <summary>Its caller named the revision: no other may answer.</summary>
    public bool IsPinned { get; init; }

    /// <summary>A copy of another invocation, whose answer nobody gets.</summary>
    public bool IsMirror { get; init; }

    /// <summary>It was queued: nobody waits for its answer.</summary>
    public bool IsDeferred { get; init; }

    /// <summary>The servers that it came through by overflow.</summary>
    public Hops Hops { get; init; } = Hops.None;

    /// <summary>The slot it runs on, or ran on last; its waiting times are those of all attempts together.</summary>
    public SlotGrant Grant { get; private set; }

    /// <summary>The journal's number; null while it was not handed to an instance.</summary>
    public long? Sequence { get; set; }

    public InvocationOpening Opening { get; set; }

    /// <summary>Timestamp at which the current attempt was handed over.</summary>
    public long RunTimestamp { get; private set; }

    /// <summary>The slot is held and must be given back.</summary>
    public bool HoldsSlot { get; set; }

    /// <summary>Its attempts that ended without an answer.</summary>
    public Attempts Attempts { get; set; }

    /// <summary>How long it has waited for slots, all attempts together.</summary>
    public TimeSpan Waited => Grant.Queue + Grant.Start + Grant.Load;

    /// <summary>Its part in a shared run; null before its end and where invocations do not share runs.</summary>
    public BatchFigures? Batch { get; set; }

    /// <summary>Its receipt, once it is written.</summary>
    public Receipt? Receipt { get; set; }

    /// <summary>It got a slot, the first or, after its instance broke, another one.</summary>
    public void Granted(in SlotGrant grant, long timestamp)
    {
        var isRetry = Sequence is not null;
        var earlier = Grant;
        Grant = isRetry
            ? grant with { Queue = earlier.Queue + grant.Queue, Start = earlier.Start + grant.Start, Load = earlier.Load + grant.Load }
            : grant;
        if (isRetry && earlier.Kind > grant.Kind)
        {
            // It did wait for a start, whatever the second slot took.
            Grant = Grant with { Kind = earlier.Kind, Cause = earlier.Cause, Rung = earlier.Rung, RungReason = earlier.RungReason };
        }

        RunTimestamp = timestamp;
        HoldsSlot = true;
    }
}
