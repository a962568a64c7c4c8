using Dormouse.Core.Usage;

namespace Dormouse.Storage.Journal;

/// <summary>
/// State of the journal in memory and in its file: which slots are free, open or closed. Every method takes one short lock and touches one or two
/// cache lines of the mapping; none allocates but <see cref="Find"/>.
/// </summary>
internal sealed class JournalSlots
{
    private readonly Lock _slotsLock = new();
    private readonly JournalFile _file;
    private readonly Guid _serverId;
    private readonly JournalIndex _index;
    private readonly Receipt?[] _receipts;

    /// <summary>Slots whose receipts the ledger has.</summary>
    private readonly bool[] _isFolded;
    private readonly SlotQueue _closed;

    /// <summary>A stack: the slot freed last is taken next, so a quiet server touches few pages.</summary>
    private readonly int[] _free;

    private int _freeCount;
    private long _lastSequence;
    private bool _isDisposed;

    /// <param name="lastSequence">Highest sequence in the ledger.</param>
    public JournalSlots(JournalFile file, Guid serverId, long lastSequence)
    {
        _file = file;
        _serverId = serverId;
        _lastSequence = lastSequence;
        _index = new JournalIndex(file.SlotCount);
        _receipts = new Receipt?[file.SlotCount];
        _isFolded = new bool[file.SlotCount];
        _closed = new SlotQueue(file.SlotCount);
        _free = new int[file.SlotCount];
        Recover();
    }

    /// <summary>Receipts closed so far, those found at the start included.</summary>
    public long ClosedTotal { get; private set; }

    /// <summary>-1 when no slot is free.</summary>
    public long TryOpen(in InvocationOpening opening)
    {
        lock (_slotsLock)
        {
            if (_isDisposed || _freeCount == 0)
            {
                return -1;
            }

            var slot = _free[--_freeCount];
            JournalRecord.WriteOpening(_file.Slot(slot), ++_lastSequence, opening);
            _index.Add(opening.Invocation, slot);
            return _lastSequence;
        }
    }

    /// <summary>Number of receipts that wait for the ledger now.</summary>
    public int Close(Receipt receipt)
    {
        lock (_slotsLock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, typeof(InvocationJournal));
            var slot = _index.Find(receipt.Invocation);
            if (slot < 0
                || _receipts[slot] is not null
                || !JournalRecord.TryReadOpening(_file.Slot(slot), out var sequence, out _)
                || sequence != receipt.Sequence)
            {
                throw new InvalidOperationException($"Invocation {receipt.Invocation} with sequence {receipt.Sequence} is not open in the journal.");
            }

            JournalRecord.WriteClosing(_file.Slot(slot), receipt);
            return AddClosed(slot, receipt);
        }
    }

    public JournalEntry? Find(Core.Endpoints.InvocationId invocation)
    {
        lock (_slotsLock)
        {
            var slot = _isDisposed ? -1 : _index.Find(invocation);
            return slot >= 0 && JournalRecord.TryReadOpening(_file.Slot(slot), out _, out var opening) ? new JournalEntry(opening, _receipts[slot]) : null;
        }
    }

    /// <summary>The ledger has it: <see cref="PeekClosed"/> leaves it out.</summary>
    public void Folded(Receipt receipt)
    {
        lock (_slotsLock)
        {
            var slot = _isDisposed ? -1 : _index.Find(receipt.Invocation);
            if (slot >= 0 && _receipts[slot] is { } closed && closed.Sequence == receipt.Sequence)
            {
                _isFolded[slot] = true;
            }
        }
    }

    /// <summary>
    /// The oldest closed receipts, at most <paramref name="max"/>, put into <paramref name="receipts"/> but for those that the ledger has; they stay in the journal until <see cref="Free"/>.
    /// Returns how many they are, with those.
    /// </summary>
    public int PeekClosed(List<Receipt> receipts, int max)
    {
        lock (_slotsLock)
        {
            var count = Math.Min(max, _closed.Count);
            for (var i = 0; i < count; i++)
            {
                if (!_isFolded[_closed[i]])
                {
                    // A closed slot has a receipt.
                    receipts.Add(_receipts[_closed[i]]!);
                }
            }

            return count;
        }
    }

    /// <summary>Frees the slots of the oldest closed receipts: they are in the ledger.</summary>
    public void Free(int count)
    {
        lock (_slotsLock)
        {
            for (var i = 0; i < count; i++)
            {
                var slot = _closed[i];
                _index.Remove(slot);
                _receipts[slot] = null;
                _isFolded[slot] = false;
                JournalRecord.Clear(_file.Slot(slot));
                _free[_freeCount++] = slot;
            }

            _closed.Remove(count);
        }
    }

    /// <summary>Unmaps the file; what is still in it is found at the next start.</summary>
    public void Dispose()
    {
        lock (_slotsLock)
        {
            if (!_isDisposed)
            {
                _isDisposed = true;
                _file.Flush();
                _file.Dispose();
            }
        }
    }

    private int AddClosed(int slot, Receipt receipt)
    {
        _receipts[slot] = receipt;
        _closed.Add(slot);
        ClosedTotal++;
        return _closed.Count;
    }

    /// <summary>Reads what an earlier process left. An open interval is closed in place as lost, so the file itself says so from here on.</summary>
    private void Recover()
    {
        var found = new List<(long Sequence, int Slot, Receipt Receipt)>();
        var used = _file.UsedSlots.Count - 1;
        for (var slot = _file.SlotCount - 1; slot >= 0; slot--)
        {
            if (used < 0 || _file.UsedSlots[used] != slot)
            {
                _free[_freeCount++] = slot;
                continue;
            }

            used--;
            var record = _file.Slot(slot);
            if (!JournalRecord.TryReadOpening(record, out var sequence, out var opening))
            {
                // Torn by the kill: its invocation was never answered.
                JournalRecord.Clear(record);
                _free[_freeCount++] = slot;
                continue;
            }

            var receipt = JournalRecord.ReadClosing(record, _serverId, sequence, opening);
            if (receipt is null)
            {
                receipt = Receipts.ServerLost(_serverId, sequence, opening);
                JournalRecord.WriteClosing(record, receipt);
            }

            _index.Add(opening.Invocation, slot);
            found.Add((sequence, slot, receipt));
        }

        foreach (var (sequence, slot, receipt) in found.OrderBy(f => f.Sequence))
        {
            AddClosed(slot, receipt);
            _lastSequence = Math.Max(_lastSequence, sequence);
        }
    }
}
