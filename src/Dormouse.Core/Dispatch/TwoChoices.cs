namespace Dormouse.Core.Dispatch;

/// <summary>
/// Which instance takes an invocation where none has a limit of its own: of two that are drawn at random the one with fewer running. Nearly as even as always taking the least loaded
/// (Mitzenmacher, "The power of two choices in randomized load balancing", 2001), and no instance is run over by a burst because it was the emptiest a moment ago. Knative's activator does the same.
/// </summary>
/// <remarks>Chance follows from the seed: the same events give the same choices. Of two idle ones the one used last is taken, so that the others grow old and can be stopped.</remarks>
internal sealed class TwoChoices(long seed)
{
    private ulong _state = (ulong)seed;

    /// <summary>Null when no instance has a free slot.</summary>
    /// <param name="slots">What no instance may exceed.</param>
    /// <param name="target">Invocations that a provisioned one is given before others get some.</param>
    public InstanceSlot? Choose(InstanceTable table, int slots, int target)
    {
        var (free, paid) = (0, 0);
        for (var i = 0; i < table.Count; i++)
        {
            free += table[i].HasFree(slots) ? 1 : 0;
            paid += table[i].IsProvisioned && table[i].HasFree(target) ? 1 : 0;
        }

        var isPaid = paid > 0;
        var count = isPaid ? paid : free;
        if (count <= 1)
        {
            return count == 0 ? null : At(table, 0, isPaid, isPaid ? target : slots);
        }

        var first = Below(count);
        var second = (first + 1 + Below(count - 1)) % count;
        var (one, other) = (At(table, first, isPaid, isPaid ? target : slots), At(table, second, isPaid, isPaid ? target : slots));
        return other.Running < one.Running || (one.IsIdle && other.IsIdle && other.IdleSince > one.IdleSince) ? other : one;
    }

    /// <summary>The candidate at a place; there are more than <paramref name="place"/>.</summary>
    private static InstanceSlot At(InstanceTable table, int place, bool isPaid, int slots)
    {
        for (var i = 0; ; i++)
        {
            if (table[i].HasFree(slots) && (!isPaid || table[i].IsProvisioned) && place-- == 0)
            {
                return table[i];
            }
        }
    }

    /// <summary>SplitMix64 (Steele, Lea and Flood, 2014); the share of a bias is below 2⁻⁵⁰ with at most 1,000 instances.</summary>
    private int Below(int count)
    {
        _state += 0x9E3779B97F4A7C15;
        var mixed = (_state ^ (_state >> 30)) * 0xBF58476D1CE4E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
        return (int)((mixed ^ (mixed >> 31)) % (ulong)count);
    }
}
