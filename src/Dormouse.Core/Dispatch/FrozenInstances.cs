using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;

namespace Dormouse.Core.Dispatch;

/// <summary>
/// Instances whose keep-alive is over and that are kept frozen for a while before they go: they hold their memory, which the machine may take back, and use no processor time. Whatever needs an
/// instance thaws those before it starts others.
/// </summary>
/// <remarks>A frozen instance counts neither as ready nor as live, so that nothing waits for it or is refused because of it. Since those are thawed first, live, draining and frozen ones together never exceed <see cref="RevisionSpec.MaxInstances"/>.</remarks>
internal sealed class FrozenInstances(RevisionSpec spec, InstanceTable table, StartCauses causes, InstanceEndings endings, KeepAlive keepAlive)
{
    /// <summary>A thaw takes a fraction of a millisecond: one that takes so long has failed.</summary>
    public static readonly TimeSpan ThawTimeMax = TimeSpan.FromSeconds(5);

    /// <summary>The last thaw failed, and no instance became ready since.</summary>
    private bool _hasThawFailed;

    private TimeSpan ThawLimit => spec.StartTimeout < ThawTimeMax ? spec.StartTimeout : ThawTimeMax;

    /// <summary>Freezes an idle instance in place of stopping it. False when it is to be stopped.</summary>
    /// <param name="sentence">Why it would be stopped.</param>
    public bool TryFreeze(InstanceSlot slot, string sentence, MonotonicTime now, RevisionEffects effects)
    {
        if (spec.FrozenFor == TimeSpan.Zero || keepAlive.Memory.IsFreezeRefused)
        {
            return false;
        }

        var before = table.Counts().Live;
        effects.Freezes.Add(slot.Freeze(now));
        endings.Changed(before, before - 1, Sentences.Frozen(sentence, spec.FrozenFor), now, effects);
        return true;
    }

    /// <summary>How many more instances the callers could use now, as far as that shows without measured times: a thaw costs next to nothing.</summary>
    /// <param name="isAsked">One is wanted though nobody waits.</param>
    /// <param name="slots">Slots of an instance, at least 1.</param>
    public static int Wanted(in InstanceCounts counts, int queued, bool isAsked, int slots) =>
        queued > 0 ? (int)Math.Min(int.MaxValue, ((long)counts.Running + queued + slots - 1) / slots) - counts.Live
        : isAsked && counts.Live == 0 ? 1 : 0;

    /// <summary>Thaws as many as there are, at most <paramref name="count"/>; those frozen last first. Returns how many.</summary>
    /// <param name="reason">Why they are wanted.</param>
    public int Thaw(int count, string reason, MonotonicTime now, RevisionEffects effects)
    {
        var before = table.Counts().Live;
        var thawed = 0;
        while (thawed < count && table.LastFrozen() is { } slot)
        {
            effects.Thaws.Add(slot.Thaw(causes.Next(before == 0), now, now + ThawLimit));
            thawed++;
        }

        if (thawed > 0)
        {
            endings.Changed(before, before + thawed, Sentences.Thawed(thawed, reason), now, effects);
        }

        return thawed;
    }

    /// <summary>Stops those that were frozen long enough, or all of them.</summary>
    /// <param name="all">Why all are stopped; null = only those that were frozen long enough.</param>
    public void Stop((StopReason Reason, string Sentence)? all, MonotonicTime now, RevisionEffects effects)
    {
        for (var i = 0; i < table.Count; i++)
        {
            var slot = table[i];
            if (slot.State == InstanceState.Frozen && (all is not null || slot.FrozenAt + spec.FrozenFor <= now))
            {
                var (reason, sentence) = all ?? (StopReason.Idle, Sentences.FrozenLongEnough(slot.Id, now - slot.FrozenAt));
                endings.Stop(slot, reason, sentence, now, effects);
            }
        }
    }

    /// <summary>The machine cannot freeze it: it goes, as those after it will.</summary>
    public void Refused(InstanceSlot slot, MonotonicTime now, RevisionEffects effects)
    {
        keepAlive.Memory.IsFreezeRefused = true;
        if (slot.State == InstanceState.Frozen)
        {
            endings.Stop(slot, StopReason.Idle, Sentences.FreezeRefused(slot.Id), now, effects);
        }
    }

    /// <summary>It takes too long.</summary>
    public void ThawTimedOut(InstanceSlot slot, MonotonicTime now, RevisionEffects effects)
    {
        _hasThawFailed = true;
        endings.Kill(slot, StopReason.StartTimedOut, Sentences.ThawTimedOut(slot.Id, ThawLimit), now, effects);
    }

    /// <summary>It did not come to serve. Others may be started at once: that says nothing of starts.</summary>
    public void ThawFailed(InstanceSlot slot, string reason, MonotonicTime now, RevisionEffects effects)
    {
        _hasThawFailed = true;
        var before = table.Counts().Live;
        causes.Ended(StartCause.Crash);
        slot.Stop(now);
        endings.Changed(before, before - 1, Sentences.ThawFailed(slot.Id, reason), now, effects);
    }

    /// <summary>What the driver says of an instance that became ready, with the reason why it was not thawed where that is known here.</summary>
    public InstanceReady WithReason(InstanceSlot slot, InstanceReady ready)
    {
        RungReason? reason = slot.IsThawing ? null
            : _hasThawFailed ? RungReason.ThawFailed
            : keepAlive.Memory.IsFreezeRefused && slot.Cause == StartCause.Idle ? RungReason.FreezeRefused
            : ready.RungReason;
        _hasThawFailed = false;
        return reason == ready.RungReason ? ready : ready with { RungReason = reason };
    }
}
