using Dormouse.Core.Queues;
using Dormouse.Server.Gateway;
using Dormouse.Server.Hosting.Settings;

namespace Dormouse.Server.Queues;

/// <summary>
/// Takes an item in the transaction that accepts it, when nothing waits before it and it can run here at once: it is on the disk as leased, and its run begins without another transaction.
/// </summary>
internal sealed class QueueShortcut(HeldItems held, AsyncLimits limits, InvocationRunner runner, InvocationParts parts, QueuesSettings settings)
{
    private volatile bool _isOpen;

    /// <summary>Set by the queue's loop: false while something waits for this server, which comes first.</summary>
    public bool IsOpen
    {
        get => _isOpen;
        set => _isOpen = value;
    }

    /// <summary>The lease it would have; null = it has to wait for its turn. Whoever gets one must call <see cref="BeginAsync"/> or <see cref="GiveUp"/>.</summary>
    /// <remarks>One that may be attempted once only is not taken before something is about to run it: the attempt would be lost with the server.</remarks>
    public LeaseAtOnce? TryTake(QueueItem item)
    {
        if (!_isOpen || runner.IsStopping || item.Group is not null || item.AttemptsMax < 2 || item.NotBefore > item.AcceptedAt
            || limits.Bounds(item.Tenant, item.Endpoint) is not { Rate: null } bounds)
        {
            return null;
        }

        return held.Counts.TryAdd(item.Endpoint, (all, its) => all.Running < settings.InFlight && all.All < 2 * settings.InFlight && its.Running < bounds.Capacity && its.All < bounds.TakenMax)
            ? new LeaseAtOnce(parts.Server.Id, parts.Time.GetUtcNow() + HeldItems.LeaseTime)
            : null;
    }

    /// <summary>It was not taken.</summary>
    public void GiveUp(QueueItem item) => held.Counts.Change(item.Endpoint, running: -1, storing: 0);

    /// <summary>Nobody knows whether it was.</summary>
    public void Doubt(QueueItem item, LeaseAtOnce lease)
    {
        held.Doubt(item.Taken(lease.Owner, lease.Until).Lease);
        GiveUp(item);
    }

    /// <param name="leased">As it was stored.</param>
    public async ValueTask BeginAsync(LeasedItem leased)
    {
        await parts.Steps.ReachedAsync(QueueStep.Leased);
        held.Begin(leased, isCounted: true);
    }
}
