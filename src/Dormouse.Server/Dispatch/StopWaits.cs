using Dormouse.Core.Instances;

namespace Dormouse.Server.Dispatch;

/// <summary>Those who wait until the instances that a stop found are gone. Guarded by the engine's lock; their continuations run elsewhere.</summary>
internal sealed class StopWaits
{
    private readonly List<(HashSet<InstanceId> Left, TaskCompletionSource Gone)> _waits = [];

    /// <summary>Ends when none of <paramref name="found"/> is left and <see cref="Settle"/> was told that the endpoint is in use again.</summary>
    public Task Add(IEnumerable<InstanceId> found)
    {
        var gone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _waits.Add(([.. found], gone));
        return gone.Task;
    }

    public void Gone(InstanceId instance) => _waits.ForEach(w => w.Left.Remove(instance));

    /// <param name="isInUse">A call has come since the stop: others of its instances are not waited for.</param>
    public void Settle(bool isInUse)
    {
        if (_waits.Count > 0 && isInUse)
        {
            foreach (var (_, gone) in _waits.Where(w => w.Left.Count == 0))
            {
                gone.TrySetResult();
            }

            _waits.RemoveAll(w => w.Left.Count == 0);
        }
    }
}
