using System.Runtime.InteropServices;
using Dormouse.Protocol.Inference;
using Dormouse.Worker.Batching;
using Dormouse.Worker.Running;
using Dormouse.Worker.Tests.Support;
using Microsoft.Extensions.Time.Testing;
using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Worker.Tests.Batching;

/// <summary>Which invocations become one run and when it begins, on a clock that the tests move.</summary>
public sealed class BatchQueueTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly FakeTimeProvider _time = new();
    private readonly LoadedModel _model = LoadedModel.Of(new InferenceSession(Onnx.Identity(Onnx.Float, "n", "m")), new ModelSurroundings { Threads = 1 });
    private readonly List<InferRequest> _requests = [];
    private readonly BlockingRuns _runs = new();

    [Fact]
    public void Without_a_delay_a_free_run_begins_at_once_on_the_callers_thread()
    {
        using var queue = Queue(rowsMax: 8);
        _runs.Open();
        var item = Item(1);

        queue.Add(item);

        Assert.Equal([item], Assert.Single(_runs.Taken()).Items);
        Assert.Equal(Environment.CurrentManagedThreadId, _runs.LastThread);
    }

    [Fact]
    public async Task While_all_runs_are_taken_those_that_come_gather()
    {
        using var queue = Queue(rowsMax: 8);
        var first = Item(1);
        var adding = Task.Run(() => queue.Add(first), TestContext.Current.CancellationToken);
        await _runs.BegunAsync(1);
        BatchItem[] later = [Item(1), Item(2), Item(1)];

        Array.ForEach(later, queue.Add);
        Assert.Single(_runs.Taken());
        _runs.Open();
        await adding;
        await _runs.BegunAsync(2);

        Assert.Equal(later, _runs.Taken()[1].Items);
    }

    [Fact]
    public async Task The_delay_counts_from_the_first_and_a_late_comer_does_not_move_it()
    {
        using var queue = Queue(rowsMax: 8, delay: TimeSpan.FromMilliseconds(5));
        _runs.Open();
        var (first, second) = (Item(1), Item(1));

        queue.Add(first);
        _time.Advance(TimeSpan.FromMilliseconds(4));
        queue.Add(second);
        Assert.Empty(_runs.Taken());
        _time.Advance(TimeSpan.FromMilliseconds(1));
        await _runs.BegunAsync(1);

        Assert.Equal([first, second], _runs.Taken()[0].Items);
    }

    [Fact]
    public void A_full_batch_does_not_wait_for_its_delay()
    {
        using var queue = Queue(rowsMax: 4, delay: Patience);
        _runs.Open();

        queue.Add(Item(3));
        Assert.Empty(_runs.Taken());
        queue.Add(Item(1));

        Assert.Equal(2, Assert.Single(_runs.Taken()).Items.Count);
    }

    [Fact]
    public async Task One_that_does_not_fit_closes_the_batch_and_begins_the_next()
    {
        using var queue = Queue(rowsMax: 4, delay: Patience);
        _runs.Open();
        var (three, two) = (Item(3), Item(2));

        queue.Add(three);
        queue.Add(two);
        await _runs.BegunAsync(1);

        Assert.Equal([three], Assert.Single(_runs.Taken()).Items);
        queue.Add(Item(2));
        Assert.Equal(two, _runs.Taken()[1].Items[0]);
    }

    [Fact]
    public void More_rows_than_a_batch_may_have_run_alone_and_at_once()
    {
        using var queue = Queue(rowsMax: 4, delay: Patience);
        _runs.Open();
        queue.Add(Item(1));

        queue.Add(Item(5));
        queue.Add(Item(0));

        Assert.Equal([5, 0], _runs.Taken().Select(batch => batch.Items.Single().Rows));
    }

    [Fact]
    public void Other_shapes_wait_apart()
    {
        using var queue = Queue(rowsMax: 2, delay: Patience);
        _runs.Open();
        BatchItem[] items = [Item(1, columns: 2), Item(1, columns: 3), Item(1, columns: 3), Item(1, columns: 2)];

        Array.ForEach(items, queue.Add);

        Assert.Equal([[items[1], items[2]], [items[0], items[3]]], _runs.Taken().Select(batch => batch.Items));
    }

    [Fact]
    public async Task One_that_left_is_not_in_the_batch_and_the_rest_are()
    {
        using var queue = Queue(rowsMax: 3, delay: TimeSpan.FromMilliseconds(5));
        _runs.Open();
        using var leaving = new CancellationTokenSource();
        var (gone, here) = (ItemOf(1, 2, leaving.Token), Item(1));
        queue.Add(gone);
        queue.Add(here);

        await leaving.CancelAsync();
        queue.Leave(gone);
        _time.Advance(TimeSpan.FromMilliseconds(5));
        await _runs.BegunAsync(1);

        Assert.Equal([here], _runs.Taken()[0].Items);
        Assert.True(gone.Ended.IsCanceled);
    }

    [Fact]
    public async Task The_last_one_that_leaves_takes_its_batch_along()
    {
        using var queue = Queue(rowsMax: 3, delay: TimeSpan.FromMilliseconds(5));
        _runs.Open();
        using var leaving = new CancellationTokenSource();
        var gone = ItemOf(1, 2, leaving.Token);
        queue.Add(gone);

        await leaving.CancelAsync();
        queue.Leave(gone);
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.Empty(_runs.Taken());
    }

    [Fact]
    public async Task No_more_batches_run_at_once_than_runs_and_all_run_in_order()
    {
        using var queue = Queue(rowsMax: 2, runs: 2);
        var adding = new List<Task>();
        for (var columns = 1; columns <= 5; columns++)
        {
            var item = Item(1, columns);
            adding.Add(Task.Run(() => queue.Add(item), TestContext.Current.CancellationToken));
            // Those that find a run are in it before the next comes; the others wait.
            await (columns <= 2 ? _runs.BegunAsync(columns) : adding[^1]);
        }

        Assert.Equal(2, _runs.Taken().Count);
        _runs.Open();
        await Task.WhenAll(adding);
        await _runs.BegunAsync(5);

        Assert.Equal([1, 2, 3, 4, 5], _runs.Taken().Select(batch => batch.Items[0].Request.Inputs[0].Shape[1]).Order());
        Assert.InRange(_runs.MostAtOnce, 1, 2);
    }

    public void Dispose()
    {
        _requests.ForEach(request => request.Dispose());
        _model.Dispose();
        _runs.Dispose();
    }

    private BatchQueue Queue(int rowsMax, TimeSpan delay = default, int runs = 1) => new(runs, rowsMax, delay, _runs.Run, _time);

    private BatchItem Item(int rows, int columns = 2) => ItemOf(rows, columns, CancellationToken.None);

    private BatchItem ItemOf(int rows, int columns, CancellationToken callerLeft)
    {
        var request = new InferRequest();
        _requests.Add(request);
        request.Inputs.Add(new InputTensor
        {
            Name = "x",
            Datatype = Datatype.Fp32,
            Shape = [rows, columns],
            Data = MemoryMarshal.AsBytes<float>(new float[rows * columns]).ToArray(),
        });
        return new BatchItem(_model, request, default, callerLeft);
    }

    /// <summary>Runs that do not end before they are let.</summary>
    private sealed class BlockingRuns : IDisposable
    {
        private readonly ManualResetEventSlim _open = new();
        private readonly List<Batch> _taken = [];
        private readonly List<(int Count, TaskCompletionSource Reached)> _awaited = [];
        private int _running;

        internal int LastThread { get; private set; }

        internal int MostAtOnce { get; private set; }

        internal void Open() => _open.Set();

        internal List<Batch> Taken()
        {
            lock (_taken)
            {
                return [.. _taken];
            }
        }

        internal Task BegunAsync(int count)
        {
            lock (_taken)
            {
                if (_taken.Count >= count)
                {
                    return Task.CompletedTask;
                }

                var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                _awaited.Add((count, reached));
                return reached.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
            }
        }

        internal void Run(Batch batch)
        {
            lock (_taken)
            {
                _taken.Add(batch);
                LastThread = Environment.CurrentManagedThreadId;
                MostAtOnce = Math.Max(MostAtOnce, ++_running);
                _awaited.FindAll(a => a.Count <= _taken.Count).ForEach(a => a.Reached.TrySetResult());
            }

            Assert.True(_open.Wait(Patience));
            lock (_taken)
            {
                _running--;
            }
        }

        public void Dispose() => _open.Dispose();
    }
}
