using Dormouse.Core;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Environments;
using Dormouse.Core.Rollouts;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Environments;

namespace Dormouse.Server.Deploying;

/// <summary>What came of a deploy.</summary>
internal abstract record Deployment
{
    private Deployment()
    {
    }

    /// <summary>The revision may serve.</summary>
    public sealed record Live(CatalogueEntry Entry, Revision Revision) : Deployment;

    /// <summary>It is being verified; nobody waits.</summary>
    public sealed record Verifying(Endpoint Endpoint, Revision Revision) : Deployment;

    public sealed record Refused(ProblemCode Code, string Detail, TimeSpan? RetryAfter = null) : Deployment;
}

/// <summary>From a request to a revision: check, store, verify, route. Deploys at once get revisions of their own; the highest number that is ready wins the traffic.</summary>
internal sealed class Deployer(DeployCheck check, EndpointChanges changes, Verifier verifier, OptimiseQueue optimise, EnvironmentBuilds environments, IIdSource ids)
{
    private static readonly TimeSpan VerifyRetry = TimeSpan.FromSeconds(10);

    public async Task<Deployment> DeployAsync(TenantId tenant, string name, DeployRequest request, bool wait, CancellationToken cancellationToken)
    {
        switch (await check.CheckAsync(tenant, name, request, cancellationToken))
        {
            case DeployVerdict.Refused refused:
                return new Deployment.Refused(refused.Code, refused.Detail);

            // There is nothing to load.
            case DeployVerdict.Fine { Spec.Kind.HasInstances: false } pipeline:
                return await AddAsync(tenant, name, request with { Verify = false }, pipeline, wait, cancellationToken);

            case DeployVerdict.Fine when request.Verify && verifier.IsFull:
                return TooMany();

            // Nothing else would make sure of it: it is live at once.
            case DeployVerdict.Fine { Environment: { } plan } when !request.Verify && await environments.EnsureAsync(plan, cancellationToken) is { } failed:
                return NotBuilt(failed);

            case DeployVerdict.Fine fine:
                return await AddAsync(tenant, name, request, fine, wait, cancellationToken);

            default:
                throw new InvalidOperationException("A deploy is fine or refused.");
        }
    }

    private async Task<Deployment> AddAsync(
        TenantId tenant, string name, DeployRequest request, DeployVerdict.Fine fine, bool wait, CancellationToken cancellationToken)
    {
        AddedRevision added;
        try
        {
            added = await changes.AddAsync(
                new NewRevision
                {
                    Tenant = tenant,
                    EndpointName = name,
                    IsPublic = request.Settings.Public,
                    State = request.Verify ? RevisionState.Verifying : RevisionState.Ready,
                    Package = fine.Package,
                    Spec = fine.Spec,
                    Canary = fine.Canary,
                    Handover = fine.Handover,
                    Debut = new Debut(request.Tag, request.Traffic),
                },
                new EndpointId(ids.NewId()),
                cancellationToken);
        }
        catch (ArgumentException) when (fine.Canary is not null || fine.Handover is not null)
        {
            // The catalogue checks again inside its transaction; it was all right a moment ago.
            return new Deployment.Refused(ProblemCode.Conflict, $"'{name}' changed meanwhile, its {(fine.Canary is null ? "handover" : "canary")} cannot begin. Look at it and try again.");
        }

        return request.Verify ? await VerifyAsync(added, wait, cancellationToken) : await GoLiveAsync(added);
    }

    // From here on the revision is stored: it is brought to its end whether or not the caller stays, or it would be "verifying" until the next start.
    private async Task<Deployment> GoLiveAsync(AddedRevision added)
    {
        var entry = await changes.CompleteAsync(added.Revision, RevisionState.Ready, null, null, giveTraffic: true, CancellationToken.None);
        if (entry is null)
        {
            return Gone(added);
        }

        if (added.Revision.Spec.Kind.HasInstances)
        {
            optimise.Enqueue(added.Revision);
        }

        return new Deployment.Live(entry, added.Revision);
    }

    /// <param name="cancellationToken">Ends the wait, not the verifying.</param>
    private async Task<Deployment> VerifyAsync(AddedRevision added, bool wait, CancellationToken cancellationToken)
    {
        if (verifier.TryEnqueue(added.Revision) is not { } verifying)
        {
            await changes.CompleteAsync(
                added.Revision, RevisionState.Failed, null, "Verifying could not run: too many deploys waited.", giveTraffic: false, CancellationToken.None);
            return TooMany();
        }

        if (!wait)
        {
            return new Deployment.Verifying(added.Endpoint, added.Revision);
        }

        return await verifying.WaitAsync(cancellationToken) switch
        {
            Verification.Ready ready => new Deployment.Live(ready.Entry, added.Revision),
            Verification.Refused refused => new Deployment.Refused(added.Revision.Spec.Kind.RunsModels ? ProblemCode.ModelInvalid : ProblemCode.CodeInvalid, refused.Reason),
            Verification.NotBuilt { Failure: var failure } => NotBuilt(failure),
            Verification.Unavailable unavailable => new Deployment.Refused(
                ProblemCode.StartFailed, $"The {(added.Revision.Spec.Kind.RunsModels ? "model" : "code")} could not be verified: {unavailable.Reason.TrimEnd('.')}. Deploy again, or with verify=false.", VerifyRetry),
            _ => Gone(added),
        };
    }

    private static Deployment.Refused NotBuilt(BuildOutcome.Failed failed) => failed.IsFault
        ? new(ProblemCode.StartFailed, $"The environment could not be built: {failed.Reason}", VerifyRetry)
        : new(ProblemCode.EnvironmentFailed, $"The environment could not be built: {failed.Reason}");

    private static Deployment.Refused TooMany() => new(
        ProblemCode.ConcurrencyLimitReached, $"{Verifier.QueueMax} deploys wait to be verified. Try again in {VerifyRetry.TotalSeconds:0} s.", VerifyRetry);

    private static Deployment.Refused Gone(AddedRevision added) =>
        new(ProblemCode.Conflict, $"'{added.Endpoint.Name}' was deleted while r{added.Revision.Id.Number} was deployed.");
}
