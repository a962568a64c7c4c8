using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Dispatch;

/// <summary>How invocations are shared out among the ready instances of a revision: who takes the next, and from how many on others are to be started.</summary>
/// <param name="choiceSeed">Chance follows from it where instances have no limit of their own.</param>
internal sealed class SlotShares(RevisionSpec spec, SlotLimit limit, InstanceTable table, long choiceSeed)
{
    private readonly TwoChoices? _choices = spec.IsConcurrencyUnlimited ? new TwoChoices(choiceSeed) : null;

    /// <summary>Instances have no limit but the one that none may exceed.</summary>
    public bool IsUnlimited => _choices is not null;

    /// <summary>What an instance shall have before others are started: its slots, where those have a limit.</summary>
    public int Soft => _choices is null ? limit.Current : spec.SoftSlots;

    /// <summary>The instance that takes the next invocation; null when every slot is taken.</summary>
    public InstanceSlot? Free => _choices is null ? table.LeastLoaded(limit.Current) : _choices.Choose(table, limit.Current, Soft);

    /// <summary>Invocations on ready instances beyond their share: others are started for them as for those that wait.</summary>
    public int Excess(in InstanceCounts counts) => _choices is null ? 0 : Math.Max(0, counts.Running - (counts.Ready * Soft));
}
