using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Scaling;

namespace Dormouse.Server.Dispatch;

/// <summary>The last changes of the instance count per endpoint, with the wall time at which they were carried out.</summary>
internal sealed class ScalingLog(TimeProvider time)
{
    /// <summary>Changes kept per endpoint; older ones are dropped.</summary>
    public const int LengthMax = 64;

    private readonly Lock _log = new();
    private readonly Dictionary<EndpointId, Queue<(DateTimeOffset At, ScalingChange Change)>> _changes = [];

    public void Add(EndpointId endpoint, ScalingChange change)
    {
        var at = time.GetUtcNow();
        lock (_log)
        {
            if (!_changes.TryGetValue(endpoint, out var ring))
            {
                _changes[endpoint] = ring = new Queue<(DateTimeOffset, ScalingChange)>();
            }

            if (ring.Count == LengthMax)
            {
                ring.Dequeue();
            }

            ring.Enqueue((at, change));
        }
    }

    /// <summary>Newest first.</summary>
    public ImmutableArray<(DateTimeOffset At, ScalingChange Change)> Read(EndpointId endpoint)
    {
        lock (_log)
        {
            return _changes.TryGetValue(endpoint, out var ring) ? [.. ring.Reverse()] : [];
        }
    }

    public void Forget(EndpointId endpoint)
    {
        lock (_log)
        {
            _changes.Remove(endpoint);
        }
    }
}
