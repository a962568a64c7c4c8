using Dormouse.Core.Endpoints;

namespace Dormouse.Storage.Journal;

/// <summary>Slots by invocation id: a chained hash table over arrays of fixed size, so that adding and removing allocate nothing. Not safe for threads.</summary>
internal sealed class JournalIndex
{
    private readonly int[] _heads;
    private readonly int[] _next;
    private readonly InvocationId[] _ids;

    public JournalIndex(int slotCount)
    {
        _heads = new int[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)slotCount)];
        _next = new int[slotCount];
        _ids = new InvocationId[slotCount];
    }

    public void Add(InvocationId id, int slot)
    {
        // Links are slot + 1, so that fresh arrays of zeros are empty chains and cost no memory until used.
        ref var head = ref _heads[Bucket(id)];
        _ids[slot] = id;
        _next[slot] = head;
        head = slot + 1;
    }

    public void Remove(int slot)
    {
        ref var link = ref _heads[Bucket(_ids[slot])];
        while (link != slot + 1)
        {
            link = ref _next[link - 1];
        }

        link = _next[slot];
    }

    /// <summary>-1 when there is none.</summary>
    public int Find(InvocationId id)
    {
        for (var link = _heads[Bucket(id)]; link != 0; link = _next[link - 1])
        {
            if (_ids[link - 1] == id)
            {
                return link - 1;
            }
        }

        return -1;
    }

    private int Bucket(InvocationId id) => id.GetHashCode() & (_heads.Length - 1);
}
