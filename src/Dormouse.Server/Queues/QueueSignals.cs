using System.Collections.Concurrent;
using Dormouse.Core.Endpoints;

namespace Dormouse.Server.Queues;

/// <summary>Tells the loop that there may be work, and those who wait that an item ended.</summary>
internal sealed class QueueSignals
{
    private readonly SignalledWait _work = new();

    /// <summary>Items that somebody waits for, or did: an entry goes when its item ends.</summary>
    private readonly ConcurrentDictionary<InvocationId, TaskCompletionSource> _waited = new();

    /// <summary>An item may have ended. Raised on any thread; it must return at once.</summary>
    public event Action? ItemEnded;

    /// <summary>Something was accepted or came free.</summary>
    public void Work() => _work.Signal();

    /// <summary>Returns when there may be work or the time is over; false when it is to end.</summary>
    public Task<bool> WhenWorkAsync(TimeSpan within, TimeProvider time, CancellationToken cancellationToken) => _work.WaitAsync(within, time, cancellationToken);

    /// <summary>Ends when the item ends from now on. Ask for its state afterwards: it may have ended before.</summary>
    public Task Ending(InvocationId item) => _waited.GetOrAdd(item, static _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    public void Ended(InvocationId item)
    {
        ItemEnded?.Invoke();
        if (_waited.TryRemove(item, out var waited))
        {
            waited.TrySetResult();
        }
    }

    /// <summary>Whoever waits for an item that has ended already: nobody will tell.</summary>
    public void Forget(InvocationId item) => Ended(item);
}
