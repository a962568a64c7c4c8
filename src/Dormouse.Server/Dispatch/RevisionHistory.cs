using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
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

    private readonly Dictionary<EndpointId, Dictionary<int, RevisionPast>> _endpoints = [];
    private readonly Queue<EndpointId> _order = new();

    /// <summary>The revision has an instance: one that comes from zero after it comes back from idleness, unless <see cref="Ended"/> says otherwise.</summary>
    public void BecameReady(RevisionId revision) => Change(revision, past => past with { Next = StartCause.Idle }, adds: true);

    /// <summary>An instance ended against its engine's wish: <paramref name="cause"/> is why the next one starts.</summary>
    public void Ended(RevisionId revision, StartCause cause) => Change(revision, past => past with { Next = cause }, adds: false);

    /// <summary>Its engine is dropped.</summary>
    public void Keep(RevisionId revision, LearnedTimes learned, IdleMemory idle) => Change(revision, past => past with { Learned = learned, Idle = idle }, adds: false);

    public void Forget(EndpointId endpoint) => _endpoints.Remove(endpoint);

    /// <summary>A new engine of it: why its first instance would be started, and what is known of its times.</summary>
    public RevisionPast Recall(RevisionId revision)
    {
        if (!_endpoints.TryGetValue(revision.Endpoint, out var revisions))
        {
            return new RevisionPast(StartCause.First, default, null);
        }

        return revisions.TryGetValue(revision.Number, out var past) ? past : new RevisionPast(StartCause.Rollout, default, null);
    }

    /// <summary>Why the next instance starts after one was stopped for this.</summary>
    public static StartCause CauseAfter(StopReason reason) => reason switch
    {
        StopReason.Evicted => StartCause.Eviction,
        StopReason.TimedOut or StopReason.Suspect => StartCause.Crash,
        _ => StartCause.Idle,
    };

    private void Change(RevisionId revision, Func<RevisionPast, RevisionPast> change, bool adds)
    {
        if (!_endpoints.TryGetValue(revision.Endpoint, out var revisions))
        {
            if (!adds)
            {
                return;
            }

            while (_order.Count >= EndpointsMax)
            {
                _endpoints.Remove(_order.Dequeue());
            }

            _endpoints[revision.Endpoint] = revisions = [];
            _order.Enqueue(revision.Endpoint);
        }

        if (adds || revisions.ContainsKey(revision.Number))
        {
            revisions[revision.Number] = change(revisions.GetValueOrDefault(revision.Number));
        }
    }

}

/// <summary>What is known of a revision that had an engine.</summary>
/// <param name="Next">Why its next instance would be started.</param>
/// <param name="Idle">Of its idle times; null = nothing.</param>
internal readonly record struct RevisionPast(StartCause Next, LearnedTimes Learned, IdleMemory? Idle);
