using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using CsCheck;
using Dormouse.Core.Batches;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;
using Dormouse.Storage.Postgres;
using Dormouse.Storage.Tests.Queues;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Batches;

internal enum BatchStepKind
{
    Feed,
    FeedStale,
    Lease,
    Succeed,
    Fail,
    LoseServer,
    Collect,
    Pause,
    Resume,
    Cancel,
    Stop,
    Remove,
    Sweep,
    SweepQueue,

    /// <summary>The store is closed and opened again; the model does nothing.</summary>
    Reopen,
}

internal sealed record BatchStep(BatchStepKind Kind, int Job, int Count, int Choice);

/// <summary>What every store of batch jobs must do: answer each generated operation as the model does, and show the same afterwards. The window stays within its bounds all the while, and results are in order without a gap.</summary>
public abstract class BatchSuite
{
    private static readonly Gen<BatchStep> Steps = Gen.Select(
        Gen.Frequency(
            (9, Gen.Const(BatchStepKind.Feed)),
            (8, Gen.Const(BatchStepKind.Lease)),
            (8, Gen.Const(BatchStepKind.Succeed)),
            (3, Gen.Const(BatchStepKind.Fail)),
            (8, Gen.Const(BatchStepKind.Collect)),
            (2, Gen.Const(BatchStepKind.Resume)),
            (8, Gen.OneOf(
                BatchStepKind.FeedStale, BatchStepKind.LoseServer, BatchStepKind.Pause, BatchStepKind.Cancel, BatchStepKind.Stop, BatchStepKind.Remove, BatchStepKind.Sweep, BatchStepKind.SweepQueue,
                BatchStepKind.Reopen))),
        Gen.Int[0, 1],
        Gen.Int[0, 6],
        Gen.Int[0, 11],
        (kind, job, count, choice) => new BatchStep(kind, job, count, choice));

    [Fact]
    public async Task Any_sequence_of_operations_shows_the_same_as_the_model()
    {
        await Steps.Array[1, 60].SampleAsync(CompareAsync, iter: 100, threads: 2);
    }

    /// <summary>Null = SQLite.</summary>
    private protected virtual Task<PostgresAddress?> NewAddressAsync() => Task.FromResult<PostgresAddress?>(null);

    private async Task CompareAsync(BatchStep[] steps)
    {
        var queue = new InMemoryQueue();
        var expected = new BatchRun(new InMemoryBatches(queue), queue);
        await using var store = await StoreUnderTest.OpenAsync(await NewAddressAsync());
        var actual = new BatchRun(store.Batches, store.Queue);
        await expected.BeginAsync();
        await actual.BeginAsync();
        for (var index = 0; index < steps.Length; index++)
        {
            if (steps[index].Kind == BatchStepKind.Reopen)
            {
                await store.ReopenAsync();
                (actual.Store, actual.Queue) = (store.Batches, store.Queue);
            }

            Assert.Equal(await expected.ApplyAsync(steps[index]), await actual.ApplyAsync(steps[index]));
        }

        Assert.Equal(await expected.ShowAsync(), await actual.ShowAsync());
    }
}

/// <summary>Interprets steps on one store and writes down all that can be seen, as text that can be compared.</summary>
internal sealed class BatchRun(IBatchStore store, IQueueStore queue)
{
    private static readonly ImmutableArray<BatchJob> Jobs = [BatchSamples.Job(1), BatchSamples.Job(2)];

    private readonly List<QueueLease> _leases = [];
    private readonly Dictionary<BatchId, List<long>> _results = Jobs.ToDictionary(j => j.Id, _ => new List<long>());
    private DateTimeOffset _now = Samples.Noon;

    public IBatchStore Store { get; set; } = store;

    public IQueueStore Queue { get; set; } = queue;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async Task BeginAsync()
    {
        foreach (var job in Jobs)
        {
            await Store.AddAsync(job, Cancellation);
        }
    }

    public async Task<string> ApplyAsync(BatchStep step)
    {
        _now += TimeSpan.FromSeconds(1);
        var id = Jobs[step.Job].Id;
        var lease = _leases.Count == 0 ? new QueueLease(new InvocationId(CountingIds.Id(999)), 1) : _leases[step.Choice % _leases.Count];
        return step.Kind switch
        {
            BatchStepKind.Feed => await FeedAsync(id, step),
            BatchStepKind.FeedStale => Text(await Store.FeedAsync(id, [BatchSamples.Item(Jobs[step.Job], 9_999, false)], new BatchFeeding(1, 0, "x", 1, false), 100, Cancellation)),
            BatchStepKind.Lease => await LeaseAsync(step),
            BatchStepKind.Succeed => Text(await Queue.EndAsync(lease, new QueueVerdict.Finished(QueueState.Succeeded, new StoredAnswer(200, [], new byte[step.Count]), null), null, _now, Cancellation)),
            BatchStepKind.Fail => Text(await Queue.EndAsync(lease, new QueueVerdict.Finished(step.Choice % 2 == 0 ? QueueState.Dead : QueueState.Failed, null, "why"), null, _now, Cancellation)),
            BatchStepKind.LoseServer => string.Join(' ', await Queue.ReclaimAsync(BatchSamples.Owner, _now, Cancellation)),
            BatchStepKind.Collect => await CollectAsync(id, step),
            BatchStepKind.Pause => Text(await Store.ChangeAsync(id, j => j.Paused(), Cancellation)),
            BatchStepKind.Resume => Text(await Store.ChangeAsync(id, j => j.Resumed(step.Choice < 6 ? null : FailureBudget.TryParse("50", out var more) ? more : default, _now), Cancellation)),
            BatchStepKind.Cancel => step.Choice == 0 ? Text(await Store.ChangeAsync(id, j => j.Cancelled(_now), Cancellation)) + string.Join(' ', (await Store.CancelWindowAsync(id, _now, Cancellation)).Select(i => i.ToString()).Order(StringComparer.Ordinal)) : "",
            BatchStepKind.Stop => Text(await Store.ChangeAsync(id, j => j.Stopped("no file", _now), Cancellation)),
            BatchStepKind.Remove => step.Choice < 3 ? Text(await Store.RemoveAsync(id, Cancellation)) : "",
            BatchStepKind.Sweep => string.Join(' ', (await Store.EndedBeforeAsync(BatchSamples.Owner, _now.AddSeconds(-step.Choice), 1 + step.Count, Cancellation)).Select(Text)),
            // What a job's window refers to is never swept: no item of it is ever lost.
            BatchStepKind.SweepQueue => await SweepQueueAsync(),
            _ => "",
        };
    }

    /// <summary>Everything that the store shows.</summary>
    public async Task<string> ShowAsync()
    {
        var shown = new StringBuilder();
        foreach (var filter in (BatchFilter[])[new(TenantId.Default, null, null, null, 10), new(TenantId.Default, BatchSamples.Endpoint, BatchState.Running, 2, 1), new(new("other"), null, null, null, 10)])
        {
            foreach (var (position, job) in await Store.ListAsync(filter, Cancellation))
            {
                shown.AppendLine(CultureInfo.InvariantCulture, $"{position} {job}");
            }
        }

        foreach (var job in Jobs)
        {
            shown.AppendLine(CultureInfo.InvariantCulture, $"{await Store.FindAsync(job.Tenant, job.Id, Cancellation)} {await Store.FindAsync(new("other"), job.Id, Cancellation)} {await Store.WindowAsync(job.Id, Cancellation)}");
            shown.AppendLine(CultureInfo.InvariantCulture, $"{string.Join(',', _results[job.Id])}");
        }

        shown.AppendJoin(' ', (await Store.ActiveAsync(BatchSamples.Owner, Cancellation)).Select(Text));
        shown.AppendJoin(' ', await Store.ActiveAsync(CountingIds.Id(72), Cancellation));
        shown.AppendJoin(' ', await Queue.DepthsAsync(_now, Cancellation));
        return shown.ToString();
    }

    private async Task<string> FeedAsync(BatchId id, BatchStep step)
    {
        if (await Store.FindAsync(TenantId.Default, id, Cancellation) is not { } job)
        {
            return "no job";
        }

        var room = Math.Min(step.Count, FeedRule.Room(job, await Store.WindowAsync(id, Cancellation)));
        var items = Enumerable.Range(1, room).Select(i => BatchSamples.Item(job, job.Fed + i, (i + step.Choice) % 4 == 0)).ToImmutableArray();
        var result = await Store.FeedAsync(id, items, new BatchFeeding(room, step.Choice % 2, $"{job.Fed + room}", job.ReadBytes + room, IsEnd: job.Fed + room > 25), step.Choice == 11 ? 1 : 100, Cancellation);
        var window = await Store.WindowAsync(id, Cancellation);
        Assert.InRange(window.Live, 0, job.Concurrency);
        Assert.InRange(window.Held, 0, FeedRule.WindowMax(job.Concurrency));
        return $"{result} {window}";
    }

    private async Task<string> LeaseAsync(BatchStep step)
    {
        var leased = await Queue.LeaseAsync(BatchSamples.Owner, [new LeaseWish(BatchSamples.Endpoint, 1 + step.Count)], _now, _now.AddSeconds(60), Cancellation);
        _leases.AddRange(leased.Items.Select(l => l.Item.Lease));
        return string.Join(' ', leased.Items.Select(l => l.Item.Lease));
    }

    private async Task<string> CollectAsync(BatchId id, BatchStep step)
    {
        var ended = await Store.EndedAsync(id, 1 + step.Choice, 8, Cancellation);
        if (ended.IsEmpty)
        {
            return "none";
        }

        // In order, without a gap, each once.
        foreach (var item in ended)
        {
            Assert.Equal(_results[id].Count + 1, item.Number);
            _results[id].Add(item.Number);
            Assert.True(item.Item is not null || item.Fault is not null, "an item was lost");
        }

        var failed = ended.Count(i => i.Item?.State != QueueState.Succeeded);
        var job = await Store.CollectAsync(id, new BatchCollection(ended[^1].Number, ended.Length - failed, failed, 10 * ended[^1].Number, (Int128)long.MaxValue * 3, 1), _now, Cancellation);
        return string.Join('\n', ended.Select(e => $"{e.Number} {e.Name} {e.Item?.State} {e.Item?.Attempts} {e.Answer?.Body.Length} {e.Fault}")) + "\n" + Text(job);
    }

    private async Task<string> SweepQueueAsync()
    {
        await Queue.ExpireAsync(_now, 100, Cancellation);
        if (Queue is InMemoryQueue)
        {
            // The model's queue knows nothing of jobs: it would remove what they still need.
            return "swept 0";
        }

        return $"swept {await Queue.SweepAsync(_now.AddDays(2), _now.AddDays(2), 100, Cancellation)}";
    }

    private static string Text(object? value) => value?.ToString() ?? "none";
}
