using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;

namespace Dormouse.Server.Gateway;

/// <summary>One request on its way through the gateway: what is known of it so far. Owned by one request; no lock.</summary>
internal sealed class Invocation(InvocationId id, Endpoint endpoint, Revision revision)
{
    public InvocationId Id => id;

    public Endpoint Endpoint => endpoint;

    public Revision Revision => revision;

    /// <summary>The slot it runs on, or ran on last.</summary>
    public SlotGrant Grant { get; private set; }

    /// <summary>Number in the journal; 0 while it was not handed to an instance.</summary>
    public long Sequence { get; set; }

    /// <summary>When it was first handed to an instance.</summary>
    public DateTimeOffset StartedAt { get; set; }

    /// <summary>Timestamp at which the current attempt was handed over.</summary>
    public long RunTimestamp { get; set; }

    /// <summary>Waiting time over all attempts.</summary>
    public TimeSpan Queue { get; private set; }

    public TimeSpan Start { get; private set; }

    public TimeSpan Load { get; private set; }

    /// <summary>The slot is held and must be given back.</summary>
    public bool HoldsSlot { get; set; }

    /// <summary>Its receipt is written.</summary>
    public bool IsClosed { get; set; }

    public void Granted(in SlotGrant grant, long timestamp)
    {
        // A retry that finds a free slot is still the cold or queued invocation that it was.
        Grant = Sequence != 0 && grant.Kind < Grant.Kind ? grant with { Kind = Grant.Kind, Cause = Grant.Cause, Rung = Grant.Rung } : grant;
        Queue += grant.Queue;
        Start += grant.Start;
        Load += grant.Load;
        RunTimestamp = timestamp;
        HoldsSlot = true;
    }
}
