using System.Collections.Immutable;
using Dormouse.Core.Instances;

namespace Dormouse.Core.Dispatch;

/// <summary>How many instances are in which state, and what runs on those that can take work.</summary>
/// <param name="Held">Of <paramref name="Starting"/>: those that the machine has no room for yet.</param>
/// <param name="Running">Invocations on ready instances.</param>
internal readonly record struct InstanceCounts(int Starting, int Held, int Ready, int Draining, int Frozen, int Running)
{
    /// <summary>Instances that serve or will serve.</summary>
    public int Live => Starting + Ready;
}

/// <summary>The instances of one engine, oldest first. Few enough (at most 1,000) to be walked.</summary>
internal sealed class InstanceTable
{
    private readonly List<InstanceSlot> _slots = [];

    public int Count => _slots.Count;

    /// <summary>Nothing runs on any of them.</summary>
    public bool IsQuiet
    {
        get
        {
            foreach (var slot in _slots)
            {
                if (slot.Running > 0)
                {
                    return false;
                }
            }

            return true;
        }
    }

    public InstanceSlot this[int index] => _slots[index];

    public void Add(InstanceSlot slot) => _slots.Add(slot);

    public void Remove(InstanceSlot slot) => _slots.Remove(slot);

    /// <summary>Work may come from now on: those without any are idle from here.</summary>
    public void Await(MonotonicTime at)
    {
        foreach (var slot in _slots)
        {
            slot.Await(at);
        }
    }

    public InstanceSlot? Find(InstanceId instance)
    {
        foreach (var slot in _slots)
        {
            if (slot.Id == instance)
            {
                return slot;
            }
        }

        return null;
    }

    /// <summary>
    /// The ready instance with a free slot that takes the next invocation: a provisioned one as long as there is one, so that bursts above them pass and can be stopped; among
    /// equals the one with the fewest running; among idle ones the one used last, so that the others grow old.
    /// Null when every slot is taken. Where instances have no limit of their own, <see cref="TwoChoices"/> says which.
    /// </summary>
    /// <param name="slots">Slots of an instance.</param>
    public InstanceSlot? LeastLoaded(int slots)
    {
        InstanceSlot? best = null;
        foreach (var slot in _slots)
        {
            if (slot.HasFree(slots) && (best is null || IsBetter(slot, best)))
            {
                best = slot;
            }
        }

        return best;
    }

    /// <summary>Removes one that is gone, once nothing is lent of it.</summary>
    public void RemoveWhenDone(InstanceSlot slot)
    {
        if (slot.IsGone && !slot.HasLeases)
        {
            Remove(slot);
        }
    }

    /// <summary>The one that is idle longest and not provisioned, or null when none is.</summary>
    public InstanceSlot? LongestIdle()
    {
        InstanceSlot? longest = null;
        foreach (var slot in _slots)
        {
            if (slot.IsIdle && !slot.IsProvisioned && (longest is null || slot.IdleSince < longest.IdleSince))
            {
                longest = slot;
            }
        }

        return longest;
    }

    /// <summary>The one that was frozen last, or null when none is frozen.</summary>
    public InstanceSlot? LastFrozen()
    {
        InstanceSlot? last = null;
        foreach (var slot in _slots)
        {
            if (slot.State == InstanceState.Frozen && (last is null || slot.FrozenAt > last.FrozenAt))
            {
                last = slot;
            }
        }

        return last;
    }

    /// <summary>The first that the machine has no room for yet, or null.</summary>
    public InstanceSlot? FirstHeld()
    {
        foreach (var slot in _slots)
        {
            if (slot is { State: InstanceState.Starting, IsHeld: true })
            {
                return slot;
            }
        }

        return null;
    }

    public InstanceCounts Counts()
    {
        var (starting, held, ready, draining, frozen, running) = (0, 0, 0, 0, 0, 0);
        foreach (var slot in _slots)
        {
            switch (slot.State)
            {
                case InstanceState.Starting:
                    starting++;
                    held += slot.IsHeld ? 1 : 0;
                    break;
                case InstanceState.Ready:
                    ready++;
                    running += slot.Running;
                    break;
                case InstanceState.Draining:
                    draining++;
                    break;
                case InstanceState.Frozen:
                    frozen++;
                    break;
                case InstanceState.Stopping or InstanceState.Waiting:
                    break;
            }
        }

        return new InstanceCounts(starting, held, ready, draining, frozen, running);
    }

    /// <summary>What runs, and the instances of which something is left; allocates.</summary>
    public (int Running, ImmutableArray<InstanceSample> Instances) Sample()
    {
        var instances = ImmutableArray.CreateBuilder<InstanceSample>(_slots.Count);
        var running = 0;
        foreach (var slot in _slots)
        {
            running += slot.Running;
            if (!slot.IsGone)
            {
                instances.Add(new InstanceSample(slot.Id, slot.IsHeld && slot.State == InstanceState.Starting ? InstanceState.Waiting : slot.State, slot.Running, slot.RequestedAt, slot.IsIdle || slot.State == InstanceState.Frozen ? slot.IdleSince : null, slot.IsProvisioned) { HeldFor = slot.IsHeld ? slot.HeldFor : null });
            }
        }

        return (running, instances.ToImmutable());
    }

    /// <summary>Mean age of the invocations on ready instances; zero when none runs.</summary>
    public TimeSpan MeanRunningAge(MonotonicTime now)
    {
        var (ages, running) = (0L, 0);
        foreach (var slot in _slots)
        {
            if (slot.State == InstanceState.Ready)
            {
                ages += slot.RunningAges(now).Ticks;
                running += slot.Running;
            }
        }

        return running == 0 ? TimeSpan.Zero : new TimeSpan(ages / running);
    }

    /// <summary>
    /// Mean time until those that start are ready, when a start takes <paramref name="startTime"/>. One that is overdue is taken to need as long
    /// again as it has taken, one that is held a whole start, one that is thawed next to nothing.
    /// </summary>
    public TimeSpan MeanStartLeft(MonotonicTime now, TimeSpan startTime)
    {
        var (left, starting) = (0L, 0);
        foreach (var slot in _slots)
        {
            if (slot.State == InstanceState.Starting)
            {
                var taken = slot.IsHeld ? TimeSpan.Zero : now - slot.AdmittedAt;
                left += slot.IsThawing ? 0 : (taken <= startTime ? startTime - taken : taken).Ticks;
                starting++;
            }
        }

        return starting == 0 ? TimeSpan.Zero : new TimeSpan(left / starting);
    }

    private static bool IsBetter(InstanceSlot slot, InstanceSlot best) =>
        slot.IsProvisioned != best.IsProvisioned
            ? slot.IsProvisioned
            : slot.Running < best.Running || (slot.IsIdle && best.IsIdle && slot.IdleSince > best.IdleSince);
}
