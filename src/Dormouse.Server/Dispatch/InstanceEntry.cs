using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;

namespace Dormouse.Server.Dispatch;

/// <summary>Where an instance stands between the engine that wants it and the driver that runs it.</summary>
internal enum EntryState
{
    /// <summary>The engine wants it, the machine has not admitted it.</summary>
    Requested,

    /// <summary>Admitted; its files are being laid out, the driver may not have heard of it.</summary>
    Preparing,

    /// <summary>The driver has it: starting, ready or ending.</summary>
    WithDriver,
}

/// <summary>One instance of a <see cref="RevisionDriver"/>; guarded by that driver's lock.</summary>
internal sealed class InstanceEntry
{
    public EntryState State { get; set; }

    /// <summary>The engine was told that the machine has no room for it yet.</summary>
    public bool IsHeld { get; set; }

    /// <summary>Set when the engine stopped it before the driver could be told.</summary>
    public StopReason? StopWanted { get; set; }

    /// <summary>The engine ends it: whoever has it now is to hear of it.</summary>
    public void Stop(in InstanceToStop stop, Aftermath aftermath)
    {
        aftermath.Stops.Add(stop);
        switch (State)
        {
            case EntryState.Requested:
                aftermath.NeverStarted.Add(stop.Instance);
                break;
            case EntryState.Preparing:
                StopWanted ??= stop.Reason;
                break;
            case EntryState.WithDriver:
                aftermath.DriverStops.Add(stop);
                break;
        }
    }
}
