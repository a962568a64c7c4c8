using Dormouse.Core.Endpoints;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Dispatch;

/// <summary>How many instances of a revision are kept without work, and why. What asks for them does not add up: each instance counts for all.</summary>
internal sealed class KeptInstances(RevisionSpec spec)
{
    /// <summary>What a schedule asks for now.</summary>
    public InstanceFloor Floor { get; set; } = InstanceFloor.None;

    /// <summary>What a new revision starts once; 0 = it has.</summary>
    public int Initial { get; set; }

    public int Count => Math.Min(Math.Max(Math.Max(Always, Floor.Instances), Initial), spec.MaxInstances);

    private int Always => Math.Max(spec.MinInstances, spec.Provisioned);

    /// <summary>A schedule asks for another number. A window that opens starts a stopped endpoint again, as a call does.</summary>
    public void FloorChanged(in InstanceFloor floor, TrafficState traffic)
    {
        if (traffic.IsStopped && floor.Instances > Floor.Instances)
        {
            traffic.Resume();
        }

        Floor = floor;
    }

    /// <summary>Why instances are started though nobody waits.</summary>
    /// <param name="live">Instances that serve or start.</param>
    public string Reason(int live) => Initial > Math.Max(Always, Floor.Instances) ? Sentences.StartedForInitial(Initial, live)
        : Floor.Instances > Always ? Sentences.StartedForFloor(Floor, live)
        : spec.Provisioned > spec.MinInstances
        ? Sentences.StartedForProvisioned(spec.Provisioned, live)
        : Sentences.StartedForMinimum(spec.MinInstances, live);
}
