using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;
using Dormouse.Core.Scaling;

namespace Dormouse.Server.Dispatch;

/// <summary>What is left to do after an engine's lock is released. Most events leave nothing, then none is made.</summary>
internal sealed class Aftermath
{
    /// <summary>May start now; of any revision.</summary>
    public List<InstanceId> Admitted { get; } = [];

    /// <summary>To be taken back; of any revision.</summary>
    public List<InstanceId> Evicted { get; } = [];

    /// <summary>Busy, and to make room when they have finished; of any revision.</summary>
    public List<InstanceId> GivingWay { get; } = [];

    /// <summary>Will never fit the machine; of any revision.</summary>
    public List<InstanceId> Impossible { get; } = [];

    /// <summary>Starts that the engine decided; the arbiter knows of them.</summary>
    public List<InstanceToStart> Starts { get; } = [];

    /// <summary>Stops that the engine decided.</summary>
    public List<InstanceToStop> Stops { get; } = [];

    /// <summary>Of <see cref="Stops"/>: those for the driver.</summary>
    public List<InstanceToStop> DriverStops { get; } = [];

    /// <summary>Of <see cref="Stops"/>: those that the driver never heard of. They are gone already.</summary>
    public List<InstanceId> NeverStarted { get; } = [];

    /// <summary>Idle instances to freeze.</summary>
    public List<InstanceToFreeze> Freezes { get; } = [];

    /// <summary>Frozen instances to thaw.</summary>
    public List<InstanceToThaw> Thaws { get; } = [];

    public List<ScalingChange> Changes { get; } = [];

    /// <summary>Why files are to be read ahead of a call; null = they are not.</summary>
    public string? Prefetch { get; set; }

    /// <summary>Takes over what the engine decided beside starts and stops.</summary>
    public void Take(RevisionEffects effects)
    {
        Changes.AddRange(effects.Changes);
        Freezes.AddRange(effects.Freezes);
        Thaws.AddRange(effects.Thaws);
    }

    /// <summary>Nothing is left of the revision: its engine goes.</summary>
    public bool IsDropped { get; set; }
}
