using System.Collections.Concurrent;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;

namespace Dormouse.Server.Gateway;

/// <summary>Counters of one revision since the server started, as the protocol's statistics show them. Times are µs.</summary>
internal sealed class RevisionCounters
{
    private long _successes;
    private long _successMicroseconds;
    private long _failures;
    private long _failMicroseconds;
    private long _queueMicroseconds;
    private long _runMicroseconds;
    private long _lastUnixMilliseconds;

    public long Successes => Volatile.Read(ref _successes);

    public long SuccessMicroseconds => Volatile.Read(ref _successMicroseconds);

    public long Failures => Volatile.Read(ref _failures);

    public long FailMicroseconds => Volatile.Read(ref _failMicroseconds);

    /// <summary>Waiting of successful invocations, starts included.</summary>
    public long QueueMicroseconds => Volatile.Read(ref _queueMicroseconds);

    public long RunMicroseconds => Volatile.Read(ref _runMicroseconds);

    public long LastUnixMilliseconds => Volatile.Read(ref _lastUnixMilliseconds);

    /// <summary>Runs that invocations may share.</summary>
    public BatchCounters Batches { get; } = new();

    public void Count(Receipt receipt)
    {
        var waited = receipt.Times.QueueMicroseconds + receipt.Times.StartMicroseconds + receipt.Times.LoadMicroseconds;
        var total = waited + receipt.Times.RunMicroseconds;
        if (receipt.Outcome == Outcome.Completed)
        {
            Interlocked.Increment(ref _successes);
            Interlocked.Add(ref _successMicroseconds, total);
            Interlocked.Add(ref _queueMicroseconds, waited);
            Interlocked.Add(ref _runMicroseconds, receipt.Times.RunMicroseconds);
        }
        else
        {
            Interlocked.Increment(ref _failures);
            Interlocked.Add(ref _failMicroseconds, total);
        }

        Volatile.Write(ref _lastUnixMilliseconds, receipt.StartedAt.ToUnixTimeMilliseconds());
    }
}

/// <summary>Counters per revision, in memory only.</summary>
internal sealed class RevisionStatistics
{
    /// <summary>Revisions counted; beyond it the counters of deleted ones have made room long ago, so all are begun anew.</summary>
    public const int RevisionsMax = 200_000;

    private readonly ConcurrentDictionary<RevisionId, RevisionCounters> _counters = new();

    /// <param name="batch">Its part in a shared run; null where runs are not shared.</param>
    public void Count(Receipt receipt, BatchFigures? batch = null)
    {
        if (!_counters.TryGetValue(receipt.Revision, out var counters))
        {
            if (_counters.Count >= RevisionsMax)
            {
                _counters.Clear();
            }

            counters = _counters.GetOrAdd(receipt.Revision, static _ => new RevisionCounters());
        }

        counters.Count(receipt);
        if (batch is { IsFirst: true })
        {
            counters.Batches.Count(batch.Rows, receipt.Times.RunMicroseconds);
        }
    }

    /// <summary>Zeros for a revision that nobody called.</summary>
    public RevisionCounters Of(RevisionId revision) => _counters.GetValueOrDefault(revision) ?? new RevisionCounters();
}
