using Dormouse.Core.Instances;

namespace Dormouse.Server.Dispatch;

/// <summary>Where an instance stands between the engine that wants it and the driver that runs it.</summary>
internal enum EntryState
{
    /// <summary>The engine wants it, the machine has not admitted it.</summary>
    Requested,

    /// <summary>Admitted; its files are being laid out, the driver may not have heard of it.</summary>
    Preparing,

    /// <summary>The driver starts it.</summary>
    Starting,

    /// <summary>It takes invocations.</summary>
    Ready,

    /// <summary>Failed or lost; only its end is awaited.</summary>
    Ended,
}

/// <summary>One instance of a <see cref="RevisionDriver"/>; guarded by that driver's lock.</summary>
internal sealed class InstanceEntry(InstanceId id)
{
    public InstanceId Id => id;

    public EntryState State { get; set; } = EntryState.Requested;

    /// <summary>Set when the engine stopped it before the driver could be told.</summary>
    public StopReason? StopWanted { get; set; }

    /// <summary>The engine stopped it: it is never idle again.</summary>
    public bool IsStopped { get; set; }

    /// <summary>Leases of the invocations that run on it.</summary>
    public HashSet<long> Leases { get; } = [];

    /// <summary>The arbiter was last told that it is idle.</summary>
    public bool IsToldIdle { get; set; }
}
