namespace Dormouse.Worker.Batching;

/// <summary>Invocations that will be one run. It changes only under its queue's lock, and not at all once it was taken from there.</summary>
internal sealed class Batch
{
    private readonly List<BatchItem> _items = [];
    private long _rows;

    internal Batch(BatchItem first)
    {
        FormedAt = first.JoinedAt;
        Add(first);
    }

    internal IReadOnlyList<BatchItem> Items => _items;

    /// <summary>Timestamp of its first item's arrival.</summary>
    internal long FormedAt { get; }

    /// <summary>Nothing more may join.</summary>
    internal bool IsClosed { get; private set; }

    internal bool IsEmpty => _items.Count == 0;

    internal bool Takes(BatchItem item) => !IsClosed && _items[0].Fits(item);

    internal bool HasRoom(BatchItem item, int rowsMax) => _rows + item.Rows <= rowsMax;

    internal void Add(BatchItem item)
    {
        _items.Add(item);
        _rows += item.Rows;
    }

    /// <summary>False when it is not in it.</summary>
    internal bool Remove(BatchItem item)
    {
        if (!_items.Remove(item))
        {
            return false;
        }

        _rows -= item.Rows;
        return true;
    }

    internal bool Contains(BatchItem item) => _items.Contains(item);

    internal void CloseWhenFull(int rowsMax) => IsClosed |= _rows >= rowsMax;

    internal void Close() => IsClosed = true;
}
