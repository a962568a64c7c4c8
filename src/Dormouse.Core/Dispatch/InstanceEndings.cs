using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Dispatch;

/// <summary>How instances of one revision end: stopped, killed, lost, or failed before they served. Each change of the number that starts or serves becomes a <see cref="ScalingChange"/>.</summary>
internal sealed class InstanceEndings(RevisionId revision, InstanceTable table, StartCauses causes, StartBackoff backoff)
{
    public void StartFailed(InstanceSlot slot, StartFailure failure, MonotonicTime now, RevisionEffects effects)
    {
        var before = table.Counts().Live;
        slot.Stop(now);
        backoff.StartFailed(failure, slot.RequestedAt, now);
        Changed(before, before - 1, Sentences.StartFailed(slot.Id, failure), now, effects);
    }

    /// <summary>An instance ended by itself; nothing to do when it had been stopped before.</summary>
    public void Lost(InstanceSlot slot, InstanceLoss loss, MonotonicTime now, RevisionEffects effects)
    {
        switch (slot.State)
        {
            case InstanceState.Starting:
                StartFailed(slot, new StartFailure(StartFailureKind.Crash, loss.Detail), now, effects);
                break;
            case InstanceState.Ready:
                var before = table.Counts().Live;
                causes.Ended(StartCause.Crash);
                backoff.Lost(loss, slot.RequestedAt, now - slot.ReadyAt, slot.CompletedRuns, now);
                slot.Stop(now);
                Changed(before, before - 1, Sentences.Lost(slot.Id, loss), now, effects);
                break;
            case InstanceState.Draining:
                // It was missed when it began to drain; how it ended is news.
                var left = table.Counts().Live;
                backoff.Lost(loss, slot.RequestedAt, now - slot.ReadyAt, slot.CompletedRuns, now);
                slot.Stop(now);
                Changed(left, left, Sentences.Lost(slot.Id, loss), now, effects);
                break;
            case InstanceState.Frozen:
                // Nobody misses it: it had nothing to do.
                var live = table.Counts().Live;
                slot.Stop(now);
                Changed(live, live, Sentences.LostFrozen(slot.Id, loss), now, effects);
                break;
            case InstanceState.Stopping or InstanceState.Waiting:
                break;
        }
    }

    /// <summary>It takes no more; what runs on it goes on.</summary>
    public void Drain(InstanceSlot slot, StopReason reason, string sentence, MonotonicTime now, RevisionEffects effects)
    {
        var before = table.Counts().Live;
        slot.Drain(reason);
        Changed(before, before - 1, sentence, now, effects);
    }

    public static void StopWhenDrained(InstanceSlot slot, MonotonicTime now, RevisionEffects effects)
    {
        if (slot.State == InstanceState.Draining && !slot.IsOccupied)
        {
            slot.Stop(now);
            effects.Stops.Add(new InstanceToStop(slot.Id, slot.DrainedFor));
        }
    }

    /// <summary>Ends an instance that misbehaves; what runs on it is lost and its place may be filled.</summary>
    public void Kill(InstanceSlot slot, StopReason reason, string sentence, MonotonicTime now, RevisionEffects effects)
    {
        if (slot.IsLive)
        {
            causes.Ended(StartCause.Crash);
            Stop(slot, reason, sentence, now, effects);
            return;
        }

        slot.Stop(now);
        effects.Stops.Add(new InstanceToStop(slot.Id, reason));
    }

    /// <summary>Ends an instance.</summary>
    public void Stop(InstanceSlot slot, StopReason reason, string sentence, MonotonicTime now, RevisionEffects effects)
    {
        var before = table.Counts().Live;
        slot.Stop(now);
        effects.Stops.Add(new InstanceToStop(slot.Id, reason));
        Changed(before, table.Counts().Live, sentence, now, effects);
    }

    public void Changed(int from, int to, string reason, MonotonicTime now, RevisionEffects effects) =>
        effects.Changes.Add(new ScalingChange(now, revision.Number, from, to, reason));
}
