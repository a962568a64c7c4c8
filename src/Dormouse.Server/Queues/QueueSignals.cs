using System.Collections.Concurrent;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;

namespace Dormouse.Server.Queues;

/// <summary>An item that has ended, as it is stored.</summary>
internal sealed record EndedInvocation(QueueItem Item, StoredAnswer? Answer);

/// <summary>Tells the loop that there may be work, and those who wait that an item ended.</summary>
internal sealed class QueueSignals
{
    private readonly SignalledWait _work = new();

    /// <summary>Endpoints that have something which may run.</summary>
    private readonly ConcurrentDictionary<EndpointId, TenantId> _noted = new();

    /// <summary>Items that somebody waits for, or did: an entry goes when its item ends.</summary>
    private readonly ConcurrentDictionary<InvocationId, TaskCompletionSource<EndedInvocation?>> _waited = new();

    /// <summary>1 = there may be work anywhere.</summary>
    private int _isAnywhere = 1;

    /// <summary>An item may have ended. Raised on any thread; it must return at once.</summary>
    public event Action? ItemEnded;

    /// <summary>There may be something to run, of whatever endpoint.</summary>
    public void Work()
    {
        Volatile.Write(ref _isAnywhere, 1);
        _work.Signal();
    }

    /// <summary>There may be something to run of this endpoint.</summary>
    public void Noted(TenantId tenant, EndpointId endpoint)
    {
        _noted[endpoint] = tenant;
        _work.Signal();
    }

    /// <summary>What this server has taken has become less.</summary>
    public void Freed() => _work.Signal();

    /// <summary>An item was accepted. One that may not begin before the loop looks by itself wakes nobody.</summary>
    public void Accepted(QueueItem item)
    {
        if (item.NotBefore <= item.AcceptedAt)
        {
            Noted(item.Tenant, item.Endpoint);
        }
        else if (item.NotBefore - item.AcceptedAt < QueueLoop.LookInterval)
        {
            Work();
        }
    }

    /// <summary>What was told since it was asked for last.</summary>
    public (bool IsAnywhere, List<(TenantId Tenant, EndpointId Endpoint)> Noted) Take()
    {
        var isAnywhere = Interlocked.Exchange(ref _isAnywhere, 0) == 1;
        var noted = new List<(TenantId, EndpointId)>();
        foreach (var (endpoint, _) in _noted)
        {
            if (_noted.TryRemove(endpoint, out var tenant))
            {
                noted.Add((tenant, endpoint));
            }
        }

        return (isAnywhere, noted);
    }

    /// <summary>Returns when there may be work or the time is over; false when it is to end.</summary>
    public Task<bool> WhenWorkAsync(TimeSpan within, TimeProvider time, CancellationToken cancellationToken) => _work.WaitAsync(within, time, cancellationToken);

    /// <summary>Ends when the item ends from now on; with null when it is to be asked for. Ask for its state afterwards: it may have ended before.</summary>
    public Task<EndedInvocation?> Ending(InvocationId item) =>
        _waited.GetOrAdd(item, static _ => new TaskCompletionSource<EndedInvocation?>(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    /// <param name="ended">Null = whoever waits has to ask.</param>
    public void Ended(InvocationId item, EndedInvocation? ended)
    {
        ItemEnded?.Invoke();
        if (_waited.TryRemove(item, out var waited))
        {
            waited.TrySetResult(ended);
        }
    }

    /// <summary>Whoever waits for an item that has ended already: nobody will tell.</summary>
    public void Forget(InvocationId item) => Ended(item, null);
}
