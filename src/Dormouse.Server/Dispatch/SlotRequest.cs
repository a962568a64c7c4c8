using Dormouse.Core;
using Dormouse.Core.Dispatch;

namespace Dormouse.Server.Dispatch;

/// <summary>What an invocation asks for.</summary>
/// <param name="BodyBytes">Bytes of its body that are held while it waits.</param>
/// <param name="IsRetry">Its instance broke; it goes to the head of the queue.</param>
/// <param name="TimeLeft">Until the answer is of no use to its caller, zero or less = it is already; null = the caller did not say.</param>
/// <param name="CanOverflow">Its revision's overflow address has room for it.</param>
/// <param name="IsDeferred">It was queued: nobody waits for its answer.</param>
internal readonly record struct SlotRequest(
    long BodyBytes, bool IsRetry, TimeSpan? TimeLeft = null, QueuePriority Priority = QueuePriority.Normal, bool CanOverflow = false, bool IsDeferred = false)
{
    /// <summary>Itself as an event of the revision that it asks.</summary>
    public RevisionEvent Arrival(long ticket, MonotonicTime now, TimeSpan queueTimeout)
    {
        var wishes = new CallerWishes(TimeLeft is { } left ? now + left : MonotonicTime.Never, Priority, CanOverflow, IsDeferred);
        return RevisionEvent.Arrived(ticket, now + queueTimeout, BodyBytes, IsRetry, wishes);
    }
}
