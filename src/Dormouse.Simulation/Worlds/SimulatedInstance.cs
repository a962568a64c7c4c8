using Dormouse.Core;
using Dormouse.Core.Instances;

namespace Dormouse.Simulation.Worlds;

internal enum InstancePhase
{
    /// <summary>The engine wants it, the machine has not admitted it.</summary>
    Requested,
    Starting,
    Ready,

    /// <summary>It ended by itself and the driver has not found out.</summary>
    Crashed,

    /// <summary>Stopped, failed or lost; not gone yet.</summary>
    Ending,

    /// <summary>Gone with its machine.</summary>
    Void,
}

/// <summary>One instance as it really is: what the driver, the launcher and the worker are in a server.</summary>
internal sealed class SimulatedInstance(InstanceId id, SimulatedEndpoint endpoint)
{
    public InstanceId Id => id;

    public SimulatedEndpoint Endpoint => endpoint;

    public InstancePhase Phase { get; set; }

    /// <summary>The engine was told that the machine has no room for it yet.</summary>
    public bool IsHeld { get; set; }

    public MonotonicTime AdmittedAt { get; set; }

    /// <summary>Drawn when it is admitted.</summary>
    public TimeSpan StartTime { get; set; }

    public TimeSpan LoadTime { get; set; }

    public bool WillFail { get; set; }

    /// <summary>It is ready and stands still.</summary>
    public bool IsFrozen { get; set; }

    /// <summary>How long the thaw takes that goes on.</summary>
    public TimeSpan ThawTime { get; set; }

    /// <summary>The last order to freeze or thaw it.</summary>
    public long FreezerTurn { get; set; }

    /// <summary>Where its invocations share runs or cores; null elsewhere.</summary>
    public InstanceWork? Work { get; set; }

    /// <summary>Invocations that run on it, by their place in the table.</summary>
    public List<int> Runs { get; } = [];

    public bool IsClaimed => Phase != InstancePhase.Requested;
}
