using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Environments;

namespace Dormouse.Server.Environments;

/// <summary>Makes sure of the environments of stored revisions, and says which revisions use which.</summary>
internal sealed class EnvironmentsOfRevisions(EnvironmentFolders folders, EnvironmentBuilds builds, EnvironmentPlanner planner, ICatalogue catalogue)
{
    /// <summary>It has an environment, and that is not there (any more).</summary>
    public bool IsMissing(Revision revision) => revision.Spec.PythonEnvironment is { } id && !folders.IsReady(id);

    /// <summary>Builds a revision's environment when it is not there (any more); null when it is, else why not.</summary>
    /// <exception cref="IOException">The package's files cannot be laid out.</exception>
    public async Task<BuildOutcome.Failed?> EnsureAsync(Revision revision, CancellationToken cancellationToken)
    {
        if (revision.Spec.PythonEnvironment is not { } id || folders.IsReady(id))
        {
            return null;
        }

        return await planner.PlanAsync(revision.Package, PythonNeeds.Of(revision.Spec), cancellationToken) switch
        {
            // Under the name that it was deployed with, also when the interpreter lies elsewhere now.
            PlanOutcome.Planned planned => await builds.EnsureAsync(planned.Plan with { Id = id }, cancellationToken),
            PlanOutcome.Refused refused => new BuildOutcome.Failed(string.Join(' ', refused.Errors), IsFault: false),
            _ => new BuildOutcome.Failed("What its environment was made of cannot be told any more. Deploy again.", IsFault: false),
        };
    }

    /// <summary>Every stored revision that has an environment.</summary>
    public async Task<ImmutableArray<EnvironmentUser>> UsersAsync(CancellationToken cancellationToken)
    {
        var users = ImmutableArray.CreateBuilder<EnvironmentUser>();
        await foreach (var entry in catalogue.ReadAllAsync(cancellationToken))
        {
            foreach (var revision in await catalogue.RevisionsAsync(entry.Endpoint.Id, cancellationToken))
            {
                if (revision.Spec.PythonEnvironment is { } id)
                {
                    users.Add(new EnvironmentUser(id, entry.Endpoint.Tenant, entry.Endpoint.Name, revision.Id.Number));
                }
            }
        }

        return users.ToImmutable();
    }
}

internal readonly record struct EnvironmentUser(EnvironmentId Environment, TenantId Tenant, string Endpoint, int Revision);
