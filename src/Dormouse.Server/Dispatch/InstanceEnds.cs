using Dormouse.Core.Instances;

namespace Dormouse.Server.Dispatch;

/// <summary>Why an instance ended: it was lost, or it was stopped.</summary>
internal readonly record struct InstanceEnd(InstanceLoss? Loss, StopReason? Stopped);

/// <summary>
/// Remembers why the last instances ended, so that an invocation whose connection broke learns whether its instance crashed,
/// ran out of memory, or was stopped because of a neighbour's time limit.
/// </summary>
internal sealed class InstanceEnds(TimeProvider time)
{
    /// <summary>Ends remembered; older ones are forgotten.</summary>
    public const int LengthMax = 1024;

    private readonly Lock _ends = new();
    private readonly Dictionary<InstanceId, InstanceEnd> _known = [];
    private readonly Queue<InstanceId> _order = new();
    private readonly Dictionary<InstanceId, TaskCompletionSource<InstanceEnd>> _asked = [];

    /// <summary>The first report of an instance counts, except that the way it was lost replaces the mere fact that it was stopped.</summary>
    public void Report(InstanceId instance, InstanceEnd end)
    {
        TaskCompletionSource<InstanceEnd>? asked;
        lock (_ends)
        {
            if (_known.TryGetValue(instance, out var known) && (known.Loss is not null || end.Loss is null))
            {
                return;
            }

            if (_known.TryAdd(instance, end))
            {
                _order.Enqueue(instance);
            }
            else
            {
                _known[instance] = end;
            }

            if (_order.Count > LengthMax)
            {
                _known.Remove(_order.Dequeue());
            }

            _asked.Remove(instance, out asked);
        }

        asked?.TrySetResult(end);
    }

    /// <summary>Waits at most <paramref name="limit"/> for the reason; null when none became known.</summary>
    public async ValueTask<InstanceEnd?> WhyAsync(InstanceId instance, TimeSpan limit)
    {
        TaskCompletionSource<InstanceEnd>? asked;
        lock (_ends)
        {
            if (_known.TryGetValue(instance, out var known))
            {
                return known;
            }

            if (!_asked.TryGetValue(instance, out asked))
            {
                _asked[instance] = asked = new TaskCompletionSource<InstanceEnd>(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }

        try
        {
            return await asked.Task.WaitAsync(limit, time);
        }
        catch (TimeoutException)
        {
            lock (_ends)
            {
                // A reason that came at the last moment counts, whoever of the two was heard first.
                _asked.Remove(instance);
                return _known.TryGetValue(instance, out var known) ? known : null;
            }
        }
    }
}
