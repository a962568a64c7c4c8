using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Dispatch;

/// <summary>How many instances of a revision are kept without work, and why. What asks for them does not add up: each instance counts for all.</summary>
internal sealed class KeptInstances(RevisionSpec spec)
{
    /// <summary>At most max-instances, which every part of it is.</summary>
    public int Count => Math.Max(spec.MinInstances, spec.Provisioned);

    /// <summary>Why instances are started though nobody waits.</summary>
    /// <param name="live">Instances that serve or start.</param>
    public string Reason(int live) => spec.Provisioned > spec.MinInstances
        ? Sentences.StartedForProvisioned(spec.Provisioned, live)
        : Sentences.StartedForMinimum(spec.MinInstances, live);
}
