using Dormouse.Core.Scaling;

namespace Dormouse.Core.Dispatch;

/// <summary>What is not to go of a revision's ready instances.</summary>
/// <param name="Kept">So many are neither stopped for idleness nor taken back.</param>
/// <param name="Held">So many are not stopped for idleness; at least <paramref name="Kept"/>.</param>
/// <param name="LowersAt">When fewer may be held though nothing happens.</param>
/// <param name="FrozenFor">How long one stays frozen.</param>
internal readonly record struct IdleBounds(int Kept, int Held, MonotonicTime LowersAt, TimeSpan FrozenFor);

/// <summary>When idle instances are to be stopped, and which the machine may take back meanwhile.</summary>
internal static class IdleEnds
{
    /// <summary>When an idle instance is to be stopped, and why.</summary>
    /// <param name="isLast">It is the only one that serves.</param>
    public static (MonotonicTime At, KeepAlivePlan Plan) Of(InstanceSlot slot, bool isLast, TrafficState traffic, KeepAlive keepAlive, TimeSpan? startTime) =>
        traffic.IsDraining || traffic.IsRetired ? (slot.IdleSince, default) : keepAlive.EndOf(slot, isLast, startTime);

    /// <summary>Tells which instances may be taken back and which no longer. Returns when an instance needs a look next.</summary>
    public static MonotonicTime Offer(InstanceTable table, in IdleBounds bounds, TrafficState traffic, KeepAlive keepAlive, TimeSpan? startTime, RevisionEffects effects)
    {
        var ready = table.Counts().Ready;
        var (mayTake, isHeld) = (ready > bounds.Kept, ready <= bounds.Held);
        var wake = MonotonicTime.Never;
        for (var i = 0; i < table.Count; i++)
        {
            var slot = table[i];
            var isFrozen = slot.State == InstanceState.Frozen;
            var isOffer = isFrozen || (slot.IsIdle && mayTake && !slot.IsProvisioned);
            var own = slot.State == InstanceState.Starting ? slot.StartDeadline
                : isFrozen ? slot.FrozenAt + bounds.FrozenFor
                : !isOffer ? MonotonicTime.Never
                : isHeld ? bounds.LowersAt
                : Of(slot, ready == 1, traffic, keepAlive, startTime).At;
            wake = own < wake ? own : wake;
            if (isOffer != slot.IsOffered && slot.State != InstanceState.Stopping)
            {
                slot.IsOffered = isOffer;
                (isOffer ? effects.BecameIdle : effects.BecameBusy).Add(slot.Id);
            }
        }

        return wake;
    }
}
