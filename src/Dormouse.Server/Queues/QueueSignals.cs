using System.Collections.Concurrent;
using System.Threading.Channels;
using Dormouse.Core.Endpoints;

namespace Dormouse.Server.Queues;

/// <summary>Tells the loop that there may be work, and those who wait that an item ended.</summary>
internal sealed class QueueSignals
{
    private readonly Channel<bool> _work = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>Items that somebody waits for, or did: an entry goes when its item ends.</summary>
    private readonly ConcurrentDictionary<InvocationId, TaskCompletionSource> _waited = new();

    /// <summary>Something was accepted or came free.</summary>
    public void Work() => _work.Writer.TryWrite(true);

    /// <summary>Returns when there may be work, or when the time is over.</summary>
    public async Task WhenWorkAsync(TimeSpan within, TimeProvider time, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(within, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await _work.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // Time to look without being told.
        }
    }

    /// <summary>Ends when the item ends from now on. Ask for its state afterwards: it may have ended before.</summary>
    public Task Ending(InvocationId item) => _waited.GetOrAdd(item, static _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    public void Ended(InvocationId item)
    {
        if (_waited.TryRemove(item, out var waited))
        {
            waited.TrySetResult();
        }
    }

    /// <summary>Whoever waits for an item that has ended already: nobody will tell.</summary>
    public void Forget(InvocationId item) => Ended(item);
}
