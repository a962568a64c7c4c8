using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Queues;

/// <summary>Whether the queue's store answers, said once when it no longer does.</summary>
internal sealed partial class StoreHealth(ILogger<StoreHealth> logger)
{
    private int _hasFailed;
    private int _failures;

    /// <summary>Counted failures so far: who begins something keeps it for <see cref="Succeeded"/>.</summary>
    public int Failures => Volatile.Read(ref _failures);

    /// <summary>Said once while it goes on.</summary>
    public void Failed(Exception fault)
    {
        Interlocked.Increment(ref _failures);
        if (Interlocked.Exchange(ref _hasFailed, 1) == 0)
        {
            LogStoreFailed(fault);
        }
    }

    /// <summary>The store answers again, unless it failed since <paramref name="failures"/> were counted: what began before says nothing of now.</summary>
    public void Succeeded(int failures)
    {
        if (Failures == failures)
        {
            Volatile.Write(ref _hasFailed, 0);
        }
    }

    [LoggerMessage(EventId = 6001, EventName = "QueueStoreFailed", Level = LogLevel.Error,
        Message = "The queue's store does not answer; nothing is accepted or run from it until it does, and nothing of it is lost. Is the disk full, or the database away?")]
    private partial void LogStoreFailed(Exception fault);
}
