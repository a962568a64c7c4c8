namespace Dormouse.Core.Events;

/// <summary>
/// Up to where a partition is done when its records are not done in their order: an offset says of everything before it that it is done, so it may only move over what is. Not for several
/// threads.
/// </summary>
public sealed class PartitionProgress
{
    private readonly Queue<long> _given = new();
    private readonly HashSet<long> _done = [];

    /// <summary>The first offset that is not done; null while nothing is.</summary>
    public long? Next { get; private set; }

    /// <summary>Records that were given and are not done, or stand behind one that is not.</summary>
    public int Open => _given.Count;

    /// <summary>A record was read.</summary>
    /// <param name="offset">Greater than those before; there may be gaps.</param>
    public void Given(long offset) => _given.Enqueue(offset);

    /// <summary>A record that was given needs not be given again.</summary>
    /// <returns>True when <see cref="Next"/> moved.</returns>
    public bool Done(long offset)
    {
        _done.Add(offset);
        var before = Next;
        while (_given.TryPeek(out var first) && _done.Remove(first))
        {
            _given.Dequeue();
            Next = first + 1;
        }

        return Next != before;
    }
}
