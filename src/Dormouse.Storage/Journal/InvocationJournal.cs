using System.Threading.Channels;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Usage;

namespace Dormouse.Storage.Journal;

/// <summary>
/// Invocations between their opening and the ledger. Appending is a write to mapped memory; one loop folds closed receipts into the ledger in batches
/// and frees their slots after its commit. While the ledger fails the loop tries again with growing pauses and the journal fills, until openings
/// are refused: nothing that was accepted is lost.
/// </summary>
public sealed class InvocationJournal : IInvocationJournal
{
    /// <summary>Most receipts in one transaction of the ledger.</summary>
    public const int BatchMax = 1_000;

    public const long BytesMin = 64 << 10;

    public const long BytesMax = 1L << 30;

    private static readonly TimeSpan RetryPauseMin = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan RetryPauseMax = TimeSpan.FromSeconds(5);

    private readonly JournalSlots _slots;
    private readonly ILedger _ledger;
    private readonly TimeSpan _foldInterval;
    private readonly TimeProvider _time;
    private readonly Action<Exception> _onError;
    private readonly Channel<bool> _work = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly Channel<bool> _hurry = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly Lock _waitersLock = new();
    private readonly List<(long Total, TaskCompletionSource Folded)> _waiters = [];
    private readonly List<Receipt> _batch = new(BatchMax);
    private long _foldedTotal;
    private Task _loop = Task.CompletedTask;
    private int _isDisposed;

    private InvocationJournal(JournalSlots slots, Guid serverId, ILedger ledger, TimeSpan foldInterval, TimeProvider time, Action<Exception> onError)
    {
        _slots = slots;
        ServerId = serverId;
        _ledger = ledger;
        _foldInterval = foldInterval;
        _time = time;
        _onError = onError;
    }

    public Guid ServerId { get; }

    /// <summary>
    /// Opens or makes the file and folds what an earlier process left: closed receipts as they are, open intervals as <see cref="Outcome.ServerLost"/>.
    /// When the ledger cannot take them now, they stay and the loop goes on trying.
    /// </summary>
    /// <param name="path">The journal's file.</param>
    /// <param name="serverId">Identity of the data folder.</param>
    /// <param name="lastSequence">Highest sequence of this server in the ledger.</param>
    /// <param name="ledger">Takes the receipts; appending twice must not count twice.</param>
    /// <param name="options">Size (64 KiB to 1 GiB; an existing file keeps its own until it is empty at a start) and interval.</param>
    /// <param name="time">Clock of the pauses.</param>
    /// <param name="onError">Told when the ledger begins to fail, once until it works again.</param>
    /// <exception cref="DataFolderException">The file is of another format or folder.</exception>
    /// <exception cref="StorageFullException">There is no room for the file.</exception>
    public static async Task<InvocationJournal> OpenAsync(
        string path, Guid serverId, long lastSequence, ILedger ledger, StorageOptions options, TimeProvider time, Action<Exception> onError)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.JournalBytes, BytesMin);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.JournalBytes, BytesMax);
        var slots = new JournalSlots(JournalFile.Open(path, serverId, options.JournalBytes), serverId, lastSequence);
        if (slots.ClosedTotal == 0 && new FileInfo(path).Length != options.JournalBytes)
        {
            slots.Dispose();
            File.Delete(path);
            slots = new JournalSlots(JournalFile.Open(path, serverId, options.JournalBytes), serverId, lastSequence);
        }

        var journal = new InvocationJournal(slots, serverId, ledger, options.FoldInterval, time, onError);
        var isFolded = await journal.FoldAllAsync();
        journal._loop = Task.Run(() => journal.RunAsync(isFolded));
        return journal;
    }

    public long TryOpen(in InvocationOpening opening)
    {
        if (opening.Tenant.Value.Length > JournalRecord.TenantBytesMax)
        {
            throw new ArgumentException($"Tenant '{opening.Tenant}' has more than {JournalRecord.TenantBytesMax} characters.", nameof(opening));
        }

        return _slots.TryOpen(opening);
    }

    public void Close(Receipt receipt)
    {
        if (receipt.ServerId != ServerId)
        {
            throw new ArgumentException($"The receipt is of server {receipt.ServerId}, the journal of {ServerId}.", nameof(receipt));
        }

        var waiting = _slots.Close(receipt);
        _work.Writer.TryWrite(true);
        if (waiting == BatchMax)
        {
            _hurry.Writer.TryWrite(true);
        }
    }

    public void Folded(Receipt receipt) => _slots.Folded(receipt);

    public JournalEntry? Find(InvocationId invocation) => _slots.Find(invocation);

    public Task FlushAsync(CancellationToken cancellationToken)
    {
        var folded = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_waitersLock)
        {
            var total = _slots.ClosedTotal;
            if (_foldedTotal >= total)
            {
                return Task.CompletedTask;
            }

            _waiters.Add((total, folded));
        }

        _work.Writer.TryWrite(true);
        _hurry.Writer.TryWrite(true);
        return folded.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Folds what is closed, once; what the ledger refuses, and what is still open, is found at the next start.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
        {
            return;
        }

        _work.Writer.TryComplete();
        _hurry.Writer.TryComplete();
        await _loop;
        await FoldAllAsync();
        _slots.Dispose();
        lock (_waitersLock)
        {
            _waiters.ForEach(w => w.Folded.TrySetException(new ObjectDisposedException(nameof(InvocationJournal))));
            _waiters.Clear();
        }
    }

    private async Task RunAsync(bool isFolded)
    {
        var pause = isFolded ? TimeSpan.Zero : RetryPauseMin;
        while (pause > TimeSpan.Zero || await _work.Reader.WaitToReadAsync(CancellationToken.None))
        {
            // Receipts that close within the interval share a transaction; a flush, a full batch or the end of the server cuts it short.
            if (!await PauseAsync(pause > TimeSpan.Zero ? pause : _foldInterval))
            {
                return;
            }

            _work.Reader.TryRead(out _);
            pause = await FoldAllAsync(isFirst: pause == TimeSpan.Zero)
                ? TimeSpan.Zero
                : TimeSpan.FromTicks(Math.Clamp(pause.Ticks * 2, RetryPauseMin.Ticks, RetryPauseMax.Ticks));
        }
    }

    /// <summary>False when the journal is being closed.</summary>
    private async Task<bool> PauseAsync(TimeSpan pause)
    {
        using var end = new CancellationTokenSource();
        var hurried = _hurry.Reader.WaitToReadAsync(end.Token).AsTask();
        var first = await Task.WhenAny(hurried, Task.Delay(pause, _time, end.Token));
        await end.CancelAsync();
        var isOpen = first != hurried || await hurried;
        _hurry.Reader.TryRead(out _);
        return isOpen;
    }

    /// <summary>Moves all closed receipts to the ledger. False when it failed; <paramref name="isFirst"/> says whether to tell.</summary>
    private async Task<bool> FoldAllAsync(bool isFirst = true)
    {
        try
        {
            while (true)
            {
                _batch.Clear();
                var count = _slots.PeekClosed(_batch, BatchMax);
                if (count == 0)
                {
                    return true;
                }

                if (_batch.Count > 0)
                {
                    await _ledger.AppendAsync(_batch, CancellationToken.None);
                }

                _slots.Free(count);
                TellWaiters(count);
            }
        }
        catch (Exception e)
        {
            // Whatever it was, the receipts are safe in the journal and the only cure is to try again; someone should look.
            if (isFirst)
            {
                _onError(e);
            }

            return false;
        }
    }

    private void TellWaiters(int count)
    {
        lock (_waitersLock)
        {
            _foldedTotal += count;
            foreach (var (total, folded) in _waiters)
            {
                if (_foldedTotal >= total)
                {
                    folded.TrySetResult();
                }
            }

            _waiters.RemoveAll(w => w.Folded.Task.IsCompleted);
        }
    }
}
