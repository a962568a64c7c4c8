namespace Dormouse.Core.Dispatch;

/// <summary>Whether new invocations are to come to a revision, and if not, why and what is kept of it nonetheless.</summary>
internal sealed class TrafficState
{
    /// <summary>None are to come. One that comes all the same is served.</summary>
    public bool IsDraining { get; private set; }

    /// <summary>Meaningful while <see cref="IsDraining"/>.</summary>
    public DrainReason DrainReason { get; private set; }

    /// <summary>What a handover keeps of it while it drains.</summary>
    public Standby Standby { get; private set; }

    /// <summary>None are taken any more.</summary>
    public bool IsRetired { get; private set; }

    public bool IsStopped => IsDraining && DrainReason == DrainReason.Stopped;

    public void Drain(DrainReason why, Standby standby) => (IsDraining, DrainReason, Standby) = (true, why, standby);

    /// <summary>The user stops the endpoint: nothing is kept. A revision that drains already does so for its own reason.</summary>
    public void Stop()
    {
        if (!IsDraining)
        {
            (IsDraining, DrainReason) = (true, DrainReason.Stopped);
        }

        Standby = default;
    }

    public void Resume() => (IsDraining, Standby) = (false, default);

    public void Retire() => IsRetired = true;
}
