using System.Collections.Immutable;
using Dormouse.Core.Batches;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Storage.Tests.Queues;

namespace Dormouse.Storage.Tests.Batches;

/// <summary>The model of the store of batch jobs, over that of the queue: lists, looked through anew for every question.</summary>
internal sealed class InMemoryBatches(InMemoryQueue queue) : IBatchStore
{
    private readonly Lock _rows = new();
    private readonly List<(long Number, BatchJob Job)> _jobs = [];
    private readonly List<(BatchId Job, FedBatchItem Item)> _window = [];
    private long _number;

    public Task AddAsync(BatchJob job, CancellationToken cancellationToken) => Do(() =>
    {
        _jobs.Add((++_number, job));
        return true;
    });

    public Task<BatchJob?> FindAsync(TenantId tenant, BatchId id, CancellationToken cancellationToken) => Do(() => Find(id) is { } job && job.Tenant == tenant ? job : null);

    public Task<ImmutableArray<ListedBatch>> ListAsync(BatchFilter filter, CancellationToken cancellationToken) => Do<ImmutableArray<ListedBatch>>(() =>
    [
        .. _jobs.Where(j => j.Job.Tenant == filter.Tenant && (filter.State is null || j.Job.State == filter.State) && (filter.Endpoint is null || j.Job.Endpoint == filter.Endpoint))
            .Where(j => filter.Before is null || j.Number < filter.Before).OrderByDescending(j => j.Number).Take(filter.Limit).Select(j => new ListedBatch(j.Number, j.Job)),
    ]);

    public Task<ImmutableArray<BatchJob>> ActiveAsync(Guid owner, CancellationToken cancellationToken) => Do<ImmutableArray<BatchJob>>(
        () => [.. _jobs.Select(j => j.Job).Where(j => j.Owner == owner && j.IsActive)]);

    public Task<BatchJob?> ChangeAsync(BatchId id, Func<BatchJob, BatchJob> change, CancellationToken cancellationToken) => Do(() => Find(id) is { } job ? Put(change(job)) : null);

    public Task<FeedResult> FeedAsync(BatchId id, ImmutableArray<FedBatchItem> items, BatchFeeding fed, long queuedMax, CancellationToken cancellationToken) => Do(() =>
    {
        if (Find(id) is not { State: BatchState.Running } job || (!items.IsEmpty && items[0].Number != job.Fed + 1))
        {
            return FeedResult.Stale;
        }

        if (queue.Queued(job.Endpoint) + items.Count(i => i.Item is not null) > queuedMax)
        {
            return FeedResult.QueueFull;
        }

        foreach (var item in items)
        {
            _window.Add((id, item));
            if (item.Item is { } queued)
            {
                queue.Insert(queued);
            }
        }

        Put(job.After(fed));
        return FeedResult.Fed;
    });

    public Task<BatchWindow> WindowAsync(BatchId id, CancellationToken cancellationToken) => Do(() =>
    {
        var held = Window(id);
        return new BatchWindow(held.Count, held.Count(i => State(i) is { } state && state.IsLive()), held.Sum(i => (long)(i.Item?.Body.Length ?? 0)));
    });

    public Task<ImmutableArray<EndedBatchItem>> EndedAsync(BatchId id, int limit, long bytesMax, CancellationToken cancellationToken) => Do<ImmutableArray<EndedBatchItem>>(() =>
    {
        var ended = Window(id).Take(limit).TakeWhile(i => State(i) is not { } state || !state.IsLive())
            .Select(i => (Item: i, Row: i.Item is { } sent ? queue.Find(sent.Item.Id) : null))
            .Select(i => new EndedBatchItem(i.Item.Number, i.Item.Name, i.Row?.Item, i.Row?.Answer, i.Item.Fault, 0, 0)).ToList();
        var count = 0;
        for (var bytes = 0L; count < ended.Count && bytes < bytesMax; count++)
        {
            bytes += ended[count].Answer?.Body.Length ?? 0;
        }

        return [.. ended.Take(count)];
    });

    /// <summary>Set to have the results of a job that has nothing in its window any more be told only when a test lets them.</summary>
    public InMemoryQueue.Hold? HeldEnd { get; set; }

    public async Task<BatchJob?> CollectAsync(BatchId id, BatchCollection collected, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var next = await Do(() => Collect(id, collected, now));
        if (HeldEnd is { } held && next is { InWindow: 0 })
        {
            HeldEnd = null;
            held.Begun.TrySetResult();
            await held.Go.Task.WaitAsync(cancellationToken);
        }

        return next;
    }

    private BatchJob? Collect(BatchId id, BatchCollection collected, DateTimeOffset now)
    {
        if (Find(id) is not { } job)
        {
            return null;
        }

        foreach (var item in Window(id).Where(i => i.Number <= collected.Through && i.Item is not null))
        {
            queue.Remove(item.Item!.Item.Id);
        }

        _window.RemoveAll(w => w.Job == id && w.Item.Number <= collected.Through);
        return Put(job.After(collected).Settled(now));
    }

    public Task<ImmutableArray<InvocationId>> CancelWindowAsync(BatchId id, DateTimeOffset now, CancellationToken cancellationToken) => Do<ImmutableArray<InvocationId>>(() =>
    {
        var live = Window(id).Where(i => State(i) is { } state && state.IsLive()).Select(i => i.Item!.Item.Id).ToList();
        live.ForEach(i => queue.Change(i, item => item.Ended(QueueState.Cancelled, now, "its batch job was cancelled")));
        return [.. live];
    });

    public Task<bool> RemoveAsync(BatchId id, CancellationToken cancellationToken) => Do(() => _jobs.RemoveAll(j => j.Job.Id == id && j.Job.EndedAt is not null && j.Job.InWindow == 0) > 0);

    public Task<ImmutableArray<BatchJob>> EndedBeforeAsync(Guid owner, DateTimeOffset before, int limit, CancellationToken cancellationToken) => Do<ImmutableArray<BatchJob>>(
        () => [.. _jobs.Select(j => j.Job).Where(j => j.Owner == owner && j.EndedAt < before && j.InWindow == 0).Take(limit)]);

    private BatchJob? Find(BatchId id) => _jobs.Find(j => j.Job.Id == id).Job;

    private BatchJob Put(BatchJob job)
    {
        var place = _jobs.FindIndex(j => j.Job.Id == job.Id);
        _jobs[place] = (_jobs[place].Number, job);
        return job;
    }

    private List<FedBatchItem> Window(BatchId id) => [.. _window.Where(w => w.Job == id).Select(w => w.Item).OrderBy(i => i.Number)];

    private QueueState? State(FedBatchItem item) => item.Item is { } sent ? queue.Find(sent.Item.Id)?.Item.State : null;

    private Task<T> Do<T>(Func<T> change)
    {
        lock (_rows)
        {
            return Task.FromResult(change());
        }
    }
}
