using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Simulation.Comparing;

/// <summary>Settings that every endpoint of a load gets; what is not set is the product's default.</summary>
public sealed record Policy(string Name, RevisionWishes Wishes)
{
    /// <summary>The product as it comes.</summary>
    public static readonly Policy Default = new("dormouse default", new RevisionWishes());

    /// <summary>What the large clouds are known for.</summary>
    public static readonly Policy FixedTenMinutes = new("fixed 10-minute keep-alive", new RevisionWishes { IdleTimeout = "10m" });

    /// <summary>Knative's autoscaler as it is installed: windows of 60 and 6 s, 70 % of the concurrency, 30 s of grace before zero.</summary>
    /// <remarks>Configuration `config-autoscaler` of Knative Serving. Its soft target of 100 requests an instance is the product's own limit here, so that the policies differ in when instances go, not in how many calls share one.</remarks>
    public static readonly Policy Knative = new("knative", new RevisionWishes
    {
        KeepAlive = "fixed",
        IdleTimeout = "30s",
        TargetUtilization = 0.7,
        StableWindow = "60s",
        PanicWindow = "6s",
        PanicThreshold = 2,
        MaxScaleUpRate = 1_000,
        MaxScaleDownRate = 2,
        ScaleToZeroGrace = "30s",
    });

    /// <summary>Compared when none is given.</summary>
    public static readonly ImmutableArray<Policy> BuiltIn = [Default, FixedTenMinutes, Knative];
}

/// <summary>A policy whose settings are not allowed.</summary>
public sealed class PolicyException(string policy, IEnumerable<SpecError> errors) : Exception($"The policy '{policy}' cannot be used. {string.Join(' ', errors.Select(e => e.Message))}");
