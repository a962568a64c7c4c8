using Dormouse.Core.Instances;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Dispatch;

/// <summary>Who of those that wait gets no slot: refused with the reason and what may be done instead, or sent to where there is room.</summary>
internal sealed class WaitRefusals(SlotLimit slots, WaitingQueue queue, InstanceTable table, WaitForecast forecast)
{
    /// <summary>When a caller should try again who waited for a start in vain.</summary>
    public static readonly TimeSpan RetryAfterStart = TimeSpan.FromSeconds(5);

    /// <summary>Room is often made within this time, by evicting an idle instance: so long one that can overflow waits before it does.</summary>
    internal static readonly TimeSpan OverflowAfter = TimeSpan.FromMilliseconds(500);

    private readonly List<Waiter> _leaving = [];

    /// <summary>Where the machine has no room for a single instance, those that can overflow are not kept waiting. Returns when the next of them is to go.</summary>
    public MonotonicTime SendAway(MonotonicTime now, RevisionEffects effects)
    {
        if (queue.EarliestOverflow == MonotonicTime.Never || table.Counts() is not { Ready: 0, Held: > 0 } counts || counts.Held != counts.Starting)
        {
            return MonotonicTime.Never;
        }

        queue.TakeOverflowing(now + -OverflowAfter, _leaving);
        foreach (var waiter in _leaving)
        {
            var detail = Sentences.NoCapacity(now - waiter.ArrivedAt, HeldFor);
            effects.Refusals.Add(new SlotRefusal(waiter.Ticket, RefusalKind.NoCapacity, detail, RetryAfterStart, null, OverflowAdvice.InPlaceOfWaiting));
        }

        _leaving.Clear();
        return queue.EarliestOverflow == MonotonicTime.Never ? MonotonicTime.Never : queue.EarliestOverflow + OverflowAfter;
    }

    /// <summary>What one who is refused may do instead.</summary>
    public static OverflowAdvice Instead(in Waiter waiter) => waiter.Wishes.CanOverflow ? OverflowAdvice.InPlaceOfRefusal : OverflowAdvice.None;

    /// <summary>Refuses those whose time is over.</summary>
    public void Overdue(MonotonicTime now, in LearnedTimes learned, RevisionEffects effects)
    {
        if (queue.EarliestDeadline > now)
        {
            return;
        }

        queue.TakeExpired(now, _leaving);
        var counts = table.Counts();
        foreach (var waiter in _leaving)
        {
            effects.Refusals.Add(Overdue(waiter, now - waiter.ArrivedAt, counts, learned));
        }

        _leaving.Clear();
    }

    private SlotRefusal Overdue(in Waiter waiter, TimeSpan waited, in InstanceCounts counts, in LearnedTimes learned)
    {
        if (waiter.IsCallerFirst)
        {
            return new SlotRefusal(waiter.Ticket, RefusalKind.CallerDeadline, Sentences.CallerDeadlineReached(waited), forecast.DrainTime(learned), null);
        }

        var serving = counts.Ready + counts.Draining;
        if (serving > 0)
        {
            var detail = Sentences.QueueTimeout(waited, serving, slots.Current, queue.Count);
            return new SlotRefusal(waiter.Ticket, RefusalKind.QueueTimeout, detail, forecast.DrainTime(learned), null, Instead(waiter));
        }

        return counts.Held > 0 && counts.Held == counts.Starting
            ? new SlotRefusal(waiter.Ticket, RefusalKind.NoCapacity, Sentences.NoCapacity(waited, HeldFor), RetryAfterStart, null, Instead(waiter))
            : new SlotRefusal(waiter.Ticket, RefusalKind.StartTimeout, Sentences.NotReadyInTime(waited), RetryAfterStart, null, Instead(waiter));
    }

    private Instances.HoldReason HeldFor => table.FirstHeld()?.HeldFor ?? Instances.HoldReason.Memory;

    /// <summary>Refuses everybody who waits.</summary>
    public void All(RefusalKind kind, string detail, TimeSpan retryAfter, StartFailure? failure, RevisionEffects effects)
    {
        queue.TakeAll(_leaving);
        foreach (var waiter in _leaving)
        {
            var advice = kind == RefusalKind.StartTimeout ? Instead(waiter) : OverflowAdvice.None;
            effects.Refusals.Add(new SlotRefusal(waiter.Ticket, kind, detail, retryAfter, failure, advice));
        }

        _leaving.Clear();
    }
}
