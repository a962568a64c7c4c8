using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Threading.Channels;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Rollouts;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Routing;

namespace Dormouse.Server.Rollouts;

/// <summary>The handovers that warm or keep, by endpoint. Instances that start and fail make them be looked at.</summary>
internal sealed class HandoverWatches
{
    private readonly ConcurrentDictionary<EndpointId, HandoverWatch> _watches = new();
    private readonly Channel<bool> _due = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly DispatchService _dispatch;
    private readonly TimeProvider _time;

    public HandoverWatches(DispatchService dispatch, DispatchEvents events, TimeProvider time)
    {
        (_dispatch, _time) = (dispatch, time);
        events.Ready += (revision, _, _) => Wake(revision);
        events.Failed += StartFailed;
        events.StopDecided += StartTimedOut;
        events.Lost += (revision, _, _) => Wake(revision);
    }

    /// <summary>An item comes when some handover can be decided; several at once are one.</summary>
    public ChannelReader<bool> Due => _due.Reader;

    public ImmutableArray<HandoverWatch> All => [.. _watches.Values];

    /// <summary>The endpoint was stored like this: begins to watch its handover, or ends it. Called for one endpoint at a time.</summary>
    public void Follow(EndpointRoute route)
    {
        if (route.Endpoint.Handover is not { State: HandoverState.Warming or HandoverState.Keeping } handover)
        {
            _watches.TryRemove(route.Endpoint.Id, out _);
            return;
        }

        if (_watches.TryGetValue(route.Endpoint.Id, out var watch) && watch.Route.Endpoint.Handover?.StartedAt == handover.StartedAt)
        {
            watch.Route = route;
        }
        else
        {
            _watches[route.Endpoint.Id] = new HandoverWatch(route, _dispatch, _time);
        }

        Wake();
    }

    public void Forget(EndpointId endpoint) => _watches.TryRemove(endpoint, out _);

    public void Wake() => _due.Writer.TryWrite(true);

    private void StartFailed(Revision revision, InstanceId instance, StartFailure failure)
    {
        if (!_watches.IsEmpty && _watches.TryGetValue(revision.Id.Endpoint, out var watch))
        {
            watch.StartFailed(revision.Id.Number, failure);
            Wake();
        }
    }

    private void StartTimedOut(Revision revision, InstanceToStop stop)
    {
        if (stop.Reason == StopReason.StartTimedOut)
        {
            StartFailed(revision, stop.Instance, new StartFailure(StartFailureKind.Crash, $"it was not ready within {Durations.Words(revision.Spec.StartTimeout)}"));
        }
    }

    private void Wake(Revision revision)
    {
        if (!_watches.IsEmpty && _watches.ContainsKey(revision.Id.Endpoint))
        {
            Wake();
        }
    }
}
