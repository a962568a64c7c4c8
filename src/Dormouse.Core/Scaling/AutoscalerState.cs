using System.Collections.Immutable;

namespace Dormouse.Core.Scaling;

/// <summary>What an autoscaler remembers from one decision to the next. A value: a decision makes the next one.</summary>
public sealed record AutoscalerState
{
    /// <summary>The state of a revision that nobody has decided for yet.</summary>
    public static readonly AutoscalerState Initial = new();

    /// <summary>The last second in which the panic threshold was reached; null = no panic.</summary>
    public long? PanicSince { get; private init; }

    /// <summary>Most instances that were wanted since the panic began, those taken over at the start included; they are kept while it lasts.</summary>
    public int PanicInstances { get; private init; }

    /// <summary>Answers of the scale-down delay's last slots, oldest first; a later one that is as large has pushed out those before it.</summary>
    internal ImmutableArray<(long Slot, int Instances)> Delayed { get; private init; } = [];

    /// <summary>Taking over from something else: with more than one instance ready nothing is known of the load that made them, so it is taken for a burst.</summary>
    public static AutoscalerState TakingOver(int readyInstances, long second) =>
        Initial with { PanicSince = readyInstances > 1 ? second : null, PanicInstances = readyInstances };

    internal AutoscalerState Panicking(long since) => this with { PanicSince = since };

    internal AutoscalerState Calm() => this with { PanicSince = null, PanicInstances = 0 };

    internal AutoscalerState Wanting(int instances) => this with { PanicInstances = Math.Max(PanicInstances, instances) };

    internal AutoscalerState Delaying(long slot, long slots, int instances)
    {
        var oldest = slot - slots + 1;
        var kept = Delayed.RemoveAll(d => d.Slot < oldest || d.Instances <= instances);
        return this with { Delayed = kept.Add((slot, instances)) };
    }
}
