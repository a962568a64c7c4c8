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

    /// <summary>Compared when none is given.</summary>
    public static readonly ImmutableArray<Policy> BuiltIn = [Default, FixedTenMinutes];
}

/// <summary>A policy whose settings are not allowed.</summary>
public sealed class PolicyException(string policy, IEnumerable<SpecError> errors) : Exception($"The policy '{policy}' cannot be used. {string.Join(' ', errors.Select(e => e.Message))}");
