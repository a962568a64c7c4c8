using System.Collections.Immutable;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Scaling;

namespace Dormouse.Server.Dispatch;

/// <summary>
/// Drives the engines: one per active revision, each behind one short lock; carries out their effects; feeds them the driver's events.
/// It decides nothing. Revisions that have no instance, queue or run cost nothing: their engine is dropped.
/// </summary>
internal sealed class DispatchService
{
    /// <summary>
    /// Waits for a slot. The waiting caller's place is freed when <paramref name="cancellationToken"/> fires.
    /// </summary>
    public ValueTask<SlotResult> AcquireAsync(Revision revision, long bodyBytes, bool isRetry, CancellationToken cancellationToken) =>
        throw new NotImplementedException();

    /// <summary>Gives the slot back when the run ended; returns the metered share in µs.</summary>
    public long Release(in SlotLease lease, SlotEnd end) => throw new NotImplementedException();

    /// <summary>Control plane: these revisions carry the endpoint's traffic from now on; others drain. Also after start-up for endpoints with min-instances.</summary>
    public void TrafficChanged(Endpoint endpoint, ImmutableArray<Revision> carrying) => throw new NotImplementedException();

    /// <summary>Drains the endpoint to zero and waits until nothing of it is left; the next invocation starts it again.</summary>
    public Task StopAsync(EndpointId endpoint, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>The endpoint is deleted: refuses what waits, finishes what runs, stops all, then forgets it.</summary>
    public Task RemoveAsync(EndpointId endpoint, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Revisions of the endpoint that have an engine now.</summary>
    public ImmutableArray<(RevisionId Revision, RevisionSample Sample)> Samples(EndpointId endpoint) => throw new NotImplementedException();

    /// <summary>The last changes of the instance count, newest first, with wall time.</summary>
    public ImmutableArray<(DateTimeOffset At, ScalingChange Change)> Changes(EndpointId endpoint) => throw new NotImplementedException();

    /// <summary>A model was loaded by an instance whose revision had no interface stored, or without its optimised file.</summary>
    public event Action<Revision, Core.Instances.InstanceReady>? Loaded { add => throw new NotImplementedException(); remove => throw new NotImplementedException(); }
}

internal abstract record SlotResult
{
    private SlotResult()
    {
    }

    public sealed record Granted(SlotGrant Grant) : SlotResult;

    public sealed record Refused(SlotRefusal Refusal) : SlotResult;
}
