using Dormouse.Core;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;

namespace Dormouse.Simulation.Worlds;

/// <summary>How an invocation ended for its caller.</summary>
public enum InvocationOutcome
{
    Answered,
    Refused,

    /// <summary>Its endpoint's overflow address took it.</summary>
    Overflowed,

    /// <summary>It ran longer than its limit.</summary>
    TimedOut,

    /// <summary>Its instances were lost and it may not be tried again.</summary>
    Crashed,

    /// <summary>Its caller left while it waited.</summary>
    CallerLeft,

    /// <summary>Its machine was lost while it waited or ran.</summary>
    MachineLost,

    /// <summary>Its machine was down when it came.</summary>
    Unreachable,
}

/// <summary>Hears of everything that happens in a world, at once and in order. Methods do nothing unless overridden.</summary>
public abstract class WorldWatch
{
    /// <summary>A new invocation came.</summary>
    /// <param name="serial">Unique in the world.</param>
    public virtual void Came(long serial, int endpoint, MonotonicTime now)
    {
    }

    /// <summary>An engine took an event and answered with effects that nobody has carried out yet.</summary>
    public virtual void Applied(int endpoint, in RevisionEvent @event, MonotonicTime now, RevisionEffects effects)
    {
    }

    /// <summary>An invocation asks its engine for a slot, for the first time or again, under this ticket.</summary>
    public virtual void Waits(long serial, long ticket)
    {
    }

    public virtual void Ended(long serial, InvocationOutcome outcome, MonotonicTime now)
    {
    }

    /// <summary>Runs began on an instance whose invocations share runs.</summary>
    /// <param name="largest">Most invocations that share one of them.</param>
    /// <param name="runs">Runs under way there now.</param>
    public virtual void SharedRunsBegan(int endpoint, InstanceId instance, int largest, int runs, MonotonicTime now)
    {
    }

    /// <summary>A machine is lost: everybody who waited or ran there has ended, and nothing of it is left.</summary>
    public virtual void MachineLost(int machine, MonotonicTime now)
    {
    }

    /// <summary>It is there again, empty.</summary>
    public virtual void MachineBack(int machine, MonotonicTime now)
    {
    }

    /// <summary>An engine's start was handed to the machine.</summary>
    public virtual void Requested(int machine, InstanceId instance, MonotonicTime now)
    {
    }

    /// <summary>A start presses for room: its endpoint has waited long enough with nothing that serves.</summary>
    public virtual void Pressed(int machine, InstanceId instance, MonotonicTime now)
    {
    }

    /// <summary>The machine admitted a start: its memory and reserved cores are taken from now on.</summary>
    public virtual void Admitted(int machine, InstanceId instance, InstanceNeed need, MonotonicTime now)
    {
    }

    /// <summary>Its start ended, well or not, or it was lost.</summary>
    public virtual void StartEnded(int machine, InstanceId instance)
    {
    }

    /// <summary>Nothing of the instance is left, or it was never admitted.</summary>
    public virtual void Gone(int machine, InstanceId instance, MonotonicTime now)
    {
    }
}
