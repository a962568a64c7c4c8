namespace Dormouse.Storage.Journal;

/// <summary>A first-in-first-out queue of slot numbers over one array: no slot is in it twice, so it never overflows.</summary>
internal sealed class SlotQueue(int slotCount)
{
    private readonly int[] _slots = new int[slotCount];
    private int _first;

    public int Count { get; private set; }

    public int this[int index] => _slots[(_first + index) % _slots.Length];

    public void Add(int slot)
    {
        _slots[(_first + Count) % _slots.Length] = slot;
        Count++;
    }

    public void Remove(int count)
    {
        _first = (_first + count) % _slots.Length;
        Count -= count;
    }
}
