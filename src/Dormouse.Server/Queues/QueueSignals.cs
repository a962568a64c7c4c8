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

    private readonly Lock _waitedLock = new();

    /// <summary>Items that somebody waits for: an entry goes when its item ends, or the last who waits leaves.</summary>
    private readonly Dictionary<InvocationId, EndingWait.Shared> _waited = [];

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

    /// <summary>Begins to wait for the item's end. Ask for its state afterwards: it may have ended before.</summary>
    public EndingWait Await(InvocationId item)
    {
        lock (_waitedLock)
        {
            if (!_waited.TryGetValue(item, out var shared))
            {
                _waited[item] = shared = new EndingWait.Shared();
            }

            shared.Waiting++;
            return new EndingWait(this, item, shared);
        }
    }

    /// <param name="ended">Null = whoever waits has to ask.</param>
    public void Ended(InvocationId item, EndedInvocation? ended)
    {
        ItemEnded?.Invoke();
        EndingWait.Shared? waited;
        lock (_waitedLock)
        {
            _waited.Remove(item, out waited);
        }

        waited?.Ended.TrySetResult(ended);
    }

    /// <summary>One who waited has left.</summary>
    internal void Leave(InvocationId item, EndingWait.Shared shared)
    {
        lock (_waitedLock)
        {
            if (--shared.Waiting == 0 && _waited.TryGetValue(item, out var waited) && waited == shared)
            {
                _waited.Remove(item);
            }
        }
    }

    /// <summary>Whoever waits for an item that has ended already: nobody will tell.</summary>
    public void Forget(InvocationId item) => Ended(item, null);
}

/// <summary>Somebody waits for the end of an item, until it is disposed.</summary>
internal sealed class EndingWait(QueueSignals signals, InvocationId item, EndingWait.Shared shared) : IDisposable
{
    private int _isLeft;

    /// <summary>Ends when the item ends from now on; with null when it is to be asked for.</summary>
    public Task<EndedInvocation?> Ended => shared.Ended.Task;

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isLeft, 1) == 0)
        {
            signals.Leave(item, shared);
        }
    }

    /// <summary>What all who wait for one item have in common; guarded by the lock of its signals.</summary>
    internal sealed class Shared
    {
        public TaskCompletionSource<EndedInvocation?> Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Waiting { get; set; }
    }
}
