using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;
using Dormouse.Core.Rollouts;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Routing;

namespace Dormouse.Server.Rollouts;

/// <summary>One handover that warms or keeps: since when this server watches it, and what failed in that time.</summary>
internal sealed class HandoverWatch(EndpointRoute route, DispatchService dispatch, TimeProvider time)
{
    private readonly long _began = time.GetTimestamp();
    private readonly Lock _failures = new();
    private readonly Dictionary<int, (int Count, string Last)> _failed = [];
    private volatile EndpointRoute _route = route;

    /// <summary>The endpoint as it was stored last.</summary>
    public EndpointRoute Route
    {
        get => _route;
        set => _route = value;
    }

    public HandoverDecision Decide()
    {
        var route = _route;
        var ready = dispatch.Samples(route.Endpoint.Id)
            .ToDictionary(s => s.Revision.Number, s => s.Sample.Instances.Count(i => i.State == InstanceState.Ready));
        ImmutableArray<HandoverSample> samples = [.. route.Revisions.Concat(route.Standby).Select(r => Sample(r, ready.GetValueOrDefault(r.Id.Number)))];
        return HandoverRule.Decide(route.Endpoint, samples, time.GetElapsedTime(_began), time.GetUtcNow());
    }

    public void StartFailed(int revision, StartFailure failure)
    {
        lock (_failures)
        {
            _failed[revision] = (_failed.GetValueOrDefault(revision).Count + 1, failure.Reason);
        }
    }

    private HandoverSample Sample(Revision revision, int ready)
    {
        lock (_failures)
        {
            var (count, last) = _failed.GetValueOrDefault(revision.Id.Number);
            return new HandoverSample(revision.Id.Number, ready, revision.Spec.MaxInstances, count, last);
        }
    }
}
