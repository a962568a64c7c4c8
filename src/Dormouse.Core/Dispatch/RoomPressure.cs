using Dormouse.Core.Instances;

namespace Dormouse.Core.Dispatch;

/// <summary>
/// When a revision with nothing that serves has waited for the machine's room for long enough: then it presses, and others that are busy give way
/// (<see cref="MachineArbiter.Press"/>). One that merely wants more instances than it has does not.
/// </summary>
internal static class RoomPressure
{
    /// <summary>The machine does not admit its start yet. Said once for all that are held for the same; that as many start as may at once is over too soon to be said.</summary>
    public static void Hold(InstanceSlot slot, HoldReason reason, InstanceTable table, InstanceEndings endings, MonotonicTime now, RevisionEffects effects)
    {
        var isKnown = reason == HoldReason.StartsAtOnce || (table.FirstHeld() is { } first && first.HeldFor == reason);
        slot.Hold(reason);
        if (!isKnown)
        {
            var live = table.Counts().Live;
            endings.Changed(live, live, Sentences.Held(slot.Id, reason), now, effects);
        }
    }

    /// <summary>Presses when it is time. Returns when to look again.</summary>
    public static MonotonicTime Apply(InstanceTable table, MonotonicTime now, RevisionEffects effects)
    {
        var counts = table.Counts();
        if (counts.Held == 0 || counts.Held < counts.Starting || counts.Ready > 0)
        {
            return MonotonicTime.Never;
        }

        // The one that was asked for first is where it is the endpoint's turn.
        var first = table.FirstHeld()!; // Some are held.
        if (first.PressesAt <= now)
        {
            effects.Pressing = first.Id;
            first.PressesAt = now + MachineArbiter.PressAgain;
        }

        return first.PressesAt;
    }
}
