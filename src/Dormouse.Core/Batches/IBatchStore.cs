using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;

namespace Dormouse.Core.Batches;

/// <summary>Why an item could not be sent at all.</summary>
/// <param name="Code">As of a problem.</param>
public sealed record ItemFault(string Code, string Detail);

/// <summary>One item taken from an input: either something to queue or a fault.</summary>
/// <param name="Name">Where in the input it is: "line 7", a file's name.</param>
public sealed record FedBatchItem(long Number, string Name, NewQueueItem? Item, ItemFault? Fault);

/// <summary>What became of a step of feeding.</summary>
public enum FeedResult
{
    Fed,

    /// <summary>The endpoint's queue has no room; nothing was stored.</summary>
    QueueFull,

    /// <summary>The job is not where the step goes on from, or does not run; nothing was stored.</summary>
    Stale,
}

/// <summary>An item that has ended and is the next for the results.</summary>
/// <param name="Item">As it ended; null when it was never queued, or is gone.</param>
/// <param name="CostPico">Sum of its receipts, pico-units.</param>
/// <param name="Attempts">Its receipts.</param>
public sealed record EndedBatchItem(long Number, string Name, QueueItem? Item, StoredAnswer? Answer, ItemFault? Fault, long CostPico, long Attempts);

/// <param name="Before">Number of the last one of the page before.</param>
public sealed record BatchFilter(TenantId Tenant, EndpointId? Endpoint, BatchState? State, long? Before, int Limit);

/// <param name="Position">Orders jobs by when they were made.</param>
public sealed record ListedBatch(long Position, BatchJob Job);

/// <summary>Batch jobs and what lies between their input and their results. Each method is one transaction.</summary>
public interface IBatchStore
{
    Task AddAsync(BatchJob job, CancellationToken cancellationToken);

    Task<BatchJob?> FindAsync(TenantId tenant, BatchId id, CancellationToken cancellationToken);

    /// <summary>Newest first.</summary>
    Task<ImmutableArray<ListedBatch>> ListAsync(BatchFilter filter, CancellationToken cancellationToken);

    /// <summary>Jobs of every tenant whose results <paramref name="owner"/> has and that are active (<see cref="BatchJob.IsActive"/>).</summary>
    Task<ImmutableArray<BatchJob>> ActiveAsync(Guid owner, CancellationToken cancellationToken);

    /// <summary>Replaces it by what <paramref name="change"/> makes of it. Null when there is none.</summary>
    Task<BatchJob?> ChangeAsync(BatchId id, Func<BatchJob, BatchJob> change, CancellationToken cancellationToken);

    /// <summary>
    /// Queues the items of a piece of the input, notes them as the job's, and moves its mark. All or nothing: after a crash the job stands before the piece or behind it, and no item is
    /// queued twice.
    /// </summary>
    /// <param name="queuedMax">Most items of the endpoint that may wait.</param>
    Task<FeedResult> FeedAsync(BatchId id, ImmutableArray<FedBatchItem> items, BatchFeeding fed, long queuedMax, CancellationToken cancellationToken);

    Task<BatchWindow> WindowAsync(BatchId id, CancellationToken cancellationToken);

    /// <summary>Of the job's window the leading items that have ended, in order, at most <paramref name="limit"/> and <paramref name="bytesMax"/> of answers (and one more).</summary>
    Task<ImmutableArray<EndedBatchItem>> EndedAsync(BatchId id, int limit, long bytesMax, CancellationToken cancellationToken);

    /// <summary>
    /// Notes that the results have what <paramref name="collected"/> says, settles the job, and removes those items from window and queue (an item whose outcome is still to be
    /// reported stays in the queue until it was). The job as it is then; null when there is none.
    /// </summary>
    Task<BatchJob?> CollectAsync(BatchId id, BatchCollection collected, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Cancels what of the job's window has not ended. Returns those.</summary>
    Task<ImmutableArray<InvocationId>> CancelWindowAsync(BatchId id, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Removes a job that has ended and has an empty window. False when it has not, or there is none.</summary>
    Task<bool> RemoveAsync(BatchId id, CancellationToken cancellationToken);

    /// <summary>Jobs of <paramref name="owner"/> with an empty window that ended before that.</summary>
    Task<ImmutableArray<BatchJob>> EndedBeforeAsync(Guid owner, DateTimeOffset before, int limit, CancellationToken cancellationToken);
}
