using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Scaling;

namespace Dormouse.Server.Dispatch;

/// <summary>
/// What is kept of revisions whose engine was dropped: that they had instances, and what was measured. It tells the next engine why its first
/// instance starts. Guarded by the lock of its owner.
/// </summary>
internal sealed class RevisionHistory
{
    /// <summary>Endpoints remembered; beyond it the one that came first is forgotten, and its next start reads as its first.</summary>
    public const int EndpointsMax = 65_536;

    private readonly Dictionary<EndpointId, Dictionary<int, LearnedTimes>> _endpoints = [];
    private readonly Queue<EndpointId> _order = new();

    /// <summary>The revision had an instance.</summary>
    public void Note(RevisionId revision) => Of(revision.Endpoint).TryAdd(revision.Number, default);

    /// <summary>Its engine is dropped.</summary>
    public void Keep(RevisionId revision, LearnedTimes learned)
    {
        if (_endpoints.TryGetValue(revision.Endpoint, out var revisions) && revisions.ContainsKey(revision.Number))
        {
            revisions[revision.Number] = learned;
        }
    }

    public void Forget(EndpointId endpoint) => _endpoints.Remove(endpoint);

    /// <summary>A new engine of it: why its first instance would be started, and what is known of its times.</summary>
    public (StartCause Cause, LearnedTimes Learned) Recall(RevisionId revision)
    {
        if (!_endpoints.TryGetValue(revision.Endpoint, out var revisions))
        {
            return (StartCause.First, default);
        }

        return revisions.TryGetValue(revision.Number, out var learned) ? (StartCause.Idle, learned) : (StartCause.Rollout, default);
    }

    private Dictionary<int, LearnedTimes> Of(EndpointId endpoint)
    {
        if (!_endpoints.TryGetValue(endpoint, out var revisions))
        {
            while (_order.Count >= EndpointsMax)
            {
                _endpoints.Remove(_order.Dequeue());
            }

            _endpoints[endpoint] = revisions = [];
            _order.Enqueue(endpoint);
        }

        return revisions;
    }
}
