using Dormouse.Core;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;

namespace Dormouse.Simulation.Promises;

/// <summary>What must be true of frozen instances.</summary>
internal static class FrozenBook
{
    /// <summary>Only what has nothing to do is frozen, only what is frozen is thawed, and what is frozen long enough goes. Returns what is broken, or null.</summary>
    public static string? Apply(Dictionary<long, InstanceBook> instances, RevisionSpec spec, MonotonicTime now, RevisionEffects effects)
    {
        foreach (var freeze in effects.Freezes)
        {
            if (instances.GetValueOrDefault(freeze.Instance.Number) is not { State: BookedState.Ready, Running: 0, IsProvisioned: false } instance || spec.FrozenFor == TimeSpan.Zero)
            {
                return $"instance {freeze.Instance.Number} was frozen and is not idle, or is provisioned, or is not to be frozen";
            }

            instance.State = BookedState.Frozen;
            instance.FrozenUntil = now + spec.FrozenFor;
        }

        foreach (var thaw in effects.Thaws)
        {
            if (instances.GetValueOrDefault(thaw.Instance.Number) is not { State: BookedState.Frozen } instance)
            {
                return $"instance {thaw.Instance.Number} was thawed and was not frozen";
            }

            instance.State = BookedState.Starting;
        }

        return instances.Values.FirstOrDefault(i => i.State == BookedState.Frozen && i.FrozenUntil <= now) is { } overdue
            ? $"instance {overdue.Number} is frozen for longer than frozen_for allows" : null;
    }

    /// <summary>Those that serve or start have fewer slots than there are callers, and one is frozen.</summary>
    /// <param name="waiting">Callers that wait.</param>
    public static bool CouldThaw(Dictionary<long, InstanceBook> instances, int waiting, RevisionEffects effects) =>
        waiting > 0
        && instances.Values.Any(i => i.State == BookedState.Frozen)
        && instances.Values.Count(i => i.State is BookedState.Ready or BookedState.Starting) * (long)effects.SlotsPerInstance
            < waiting + instances.Values.Where(i => i.State == BookedState.Ready).Sum(i => i.Running);
}
