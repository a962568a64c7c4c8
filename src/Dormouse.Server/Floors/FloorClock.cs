using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Scaling;

namespace Dormouse.Server.Floors;

/// <summary>Says when a floor of a revision that carries traffic changes. It decides nothing: the engine is told the number that the schedule asks for.</summary>
internal sealed class FloorClock(TimeProvider time) : IAsyncDisposable
{
    /// <summary>A wall clock that was set is noticed within this time.</summary>
    private static readonly TimeSpan LookAgainMax = TimeSpan.FromMinutes(1);

    /// <summary>Held while engines are told, so that none hears an older floor after a newer one. No engine calls back.</summary>
    private readonly Lock _looking = new();
    private readonly Dictionary<EndpointId, ImmutableArray<Revision>> _followed = [];
    private readonly Dictionary<RevisionId, int> _told = [];
    private ITimer? _timer;
    private bool _isDisposed;

    /// <summary>The floor of a revision is another one from now on. Raised on a timer's thread or the caller's.</summary>
    public event Action<Revision, InstanceFloor>? Changed;

    /// <summary>What the schedule of a revision asks for now.</summary>
    public InstanceFloor Now(Revision revision) =>
        revision.Spec.Floors.IsEmpty ? InstanceFloor.None : FloorSchedule.At(revision.Spec, time.GetUtcNow()).Floor;

    /// <summary>These revisions carry the endpoint's traffic, others no longer.</summary>
    public void Follow(EndpointId endpoint, ImmutableArray<Revision> carrying)
    {
        lock (_looking)
        {
            var scheduled = carrying.Where(r => !r.Spec.Floors.IsEmpty).ToImmutableArray();
            foreach (var past in _followed.GetValueOrDefault(endpoint, []).Where(r => !scheduled.Any(s => s.Id == r.Id)))
            {
                _told.Remove(past.Id);
            }

            if (scheduled.IsEmpty)
            {
                _followed.Remove(endpoint);
                return;
            }

            _followed[endpoint] = scheduled;
            LookLocked();
        }
    }

    public void Forget(EndpointId endpoint) => Follow(endpoint, []);

    public async ValueTask DisposeAsync()
    {
        ITimer? timer;
        lock (_looking)
        {
            _isDisposed = true;
            timer = _timer;
        }

        if (timer is not null)
        {
            await timer.DisposeAsync();
        }
    }

    /// <summary>Tells what has changed and waits for what changes next.</summary>
    private void Look()
    {
        lock (_looking)
        {
            LookLocked();
        }
    }

    private void LookLocked()
    {
        var now = time.GetUtcNow();
        var next = now + LookAgainMax;
        foreach (var revision in _followed.Values.SelectMany(r => r))
        {
            var (floor, changesAt) = FloorSchedule.At(revision.Spec, now);
            next = changesAt < next ? changesAt.Value : next;
            if (!_told.TryGetValue(revision.Id, out var told) || told != floor.Instances)
            {
                _told[revision.Id] = floor.Instances;
                Changed?.Invoke(revision, floor);
            }
        }

        if (!_isDisposed && _followed.Count > 0)
        {
            // Timers may fire early by less than a millisecond; a look that comes too early would come again at once.
            _timer ??= time.CreateTimer(_ => Look(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            _timer.Change(next - now + TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
        }
    }
}
