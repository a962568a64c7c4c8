using System.Collections.Immutable;
using Dormouse.Core.Environments;

namespace Dormouse.Server.Environments;

/// <summary>An environment that a revision needs, ready or not.</summary>
/// <param name="Python">Minor version.</param>
/// <param name="PackageFolder">Folder of the package's files, for what requirements name in it.</param>
internal sealed record EnvironmentPlan(EnvironmentId Id, string Python, bool SystemPackages, RequirementsText Text, string PackageFolder);

/// <summary>What a function's needs come to.</summary>
internal abstract record PlanOutcome
{
    private PlanOutcome()
    {
    }

    /// <summary>The interpreter itself, with what the system has.</summary>
    public sealed record Plain : PlanOutcome;

    public sealed record Planned(EnvironmentPlan Plan) : PlanOutcome;

    public sealed record Refused(ImmutableArray<string> Errors) : PlanOutcome;
}
