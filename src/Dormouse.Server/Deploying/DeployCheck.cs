using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Environments;
using Dormouse.Core.Instances;
using Dormouse.Core.Packages;
using Dormouse.Core.Rollouts;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Environments;
using Dormouse.Server.Floors;
using Dormouse.Server.Overflow;
using Dormouse.Server.Secrets;

namespace Dormouse.Server.Deploying;

/// <summary>A deploy request judged.</summary>
internal abstract record DeployVerdict
{
    private DeployVerdict()
    {
    }

    /// <param name="Environment">The Python environment that it needs; null = none.</param>
    public sealed record Fine(Package Package, RevisionSpec Spec, CanaryPolicy? Canary = null, HandoverPolicy? Handover = null, EnvironmentPlan? Environment = null) : DeployVerdict;

    public sealed record Refused(ProblemCode Code, string Detail) : DeployVerdict;
}

/// <summary>Everything about a deploy that can be judged without loading the model.</summary>
internal sealed class DeployCheck(
    PackageCheck packages, IBlobStore blobs, ICatalogue catalogue, ProvisionedRoom room, OverflowCheck overflow, EnvironmentPlanner environments, SecretsOfRevisions secrets, IInstanceDriver driver,
    PipelineDeploy pipelines, MachineFacts machine)
{
    public const string SignatureFile = "signature.yaml";

    public async Task<DeployVerdict> CheckAsync(TenantId tenant, string name, DeployRequest request, CancellationToken cancellationToken)
    {
        if (EndpointName.Refusal(name) is { } refusal)
        {
            return new DeployVerdict.Refused(ProblemCode.NameInvalid, refusal);
        }

        if (Incomplete(request) is { } incomplete)
        {
            return new DeployVerdict.Refused(ProblemCode.RequestInvalid, incomplete);
        }

        if (pipelines.KindRefusal(tenant, name, request) is { } otherKind)
        {
            return otherKind;
        }

        if (await DebutRefusalAsync(tenant, name, request, cancellationToken) is { } debut)
        {
            return debut;
        }

        if (PipelineDeploy.IsPipeline(request))
        {
            return await pipelines.CheckAsync(tenant, name, request, machine, cancellationToken);
        }

        var (canary, canaryRefusal) = await CanaryAsync(tenant, name, request.Canary, cancellationToken);
        if (canaryRefusal is not null)
        {
            return canaryRefusal;
        }

        var (handover, handoverRefusal) = await HandoverAsync(tenant, name, request, cancellationToken);
        if (handoverRefusal is not null)
        {
            return handoverRefusal;
        }

        var (package, refused) = await packages.CheckAsync(tenant, request.Files, cancellationToken);
        return package is null ? refused!
            : Contents(request.Settings, package) is { } fault ? new DeployVerdict.Refused(ProblemCode.PackageInvalid, fault)
            : WithHandover(await WithEnvironmentAsync(await WithSecretsAsync(tenant, await SpecAsync(tenant, name, request, package, canary, cancellationToken), cancellationToken), cancellationToken), handover);
    }

    /// <summary>What JSON allows and the types do not: null where a value must be.</summary>
    private static string? Incomplete(DeployRequest request)
    {
        if (PackageCheck.Incomplete(request.Files) is { } files)
        {
            return files;
        }

        if (request.Settings is null)
        {
            return "'settings' must be an object; leave it out for the defaults.";
        }

        if (request.Settings.Floors is { } floors && (floors.IsDefault || floors.Any(f => f is null)))
        {
            return "'settings.floors' must be a list of texts; null is not one.";
        }

        return HasNull(request.Settings.Environment) || HasNull(request.Settings.Engine) || HasNull(request.Settings.Secrets) || HasNull(request.Settings.SecretFiles)
            ? "'settings.environment', 'settings.engine', 'settings.secrets' and 'settings.secret_files' must hold texts; null is not one."
            : null;
    }

    /// <summary>Why the package holds nothing that its runtime opens; null when it does, or when nobody knows the runtime.</summary>
    private static string? Contents(RevisionSettings settings, Package package) => RuntimeKind.Find(RuntimeKind.NameFor(settings.Runtime, settings.Handler)) switch
    {
        { RunsModels: true } => ModelFiles.Find(package)?.Model is null ? ModelFiles.MissingReason : null,
        { } => PythonFiles.Refusal(package, settings.Handler),
        null => null,
    };

    private static bool HasNull(ImmutableSortedDictionary<string, string>? entries) => entries?.Values.Any(v => v is null) ?? false;

    private async Task<DeployVerdict> SpecAsync(
        TenantId tenant, string name, DeployRequest request, Package package, CanaryPolicy? canary, CancellationToken cancellationToken)
    {
        ImmutableArray<string> signatureErrors = [];
        string? signature = null;
        // A function's package may hold a file of that name for its own use.
        var isModel = RuntimeKind.Find(RuntimeKind.NameFor(request.Settings.Runtime, request.Settings.Handler)) is not { RunsModels: false };
        if ((isModel ? await SignatureAsync(request.Settings, package, cancellationToken) : request.Settings.Signature) is { } text)
        {
            signature = SignatureText.ToJson(text, package, out signatureErrors);
        }

        return SpecRules.Apply(SettingsViews.Wishes(request.Settings, signature), machine) switch
        {
            SpecOutcome.Refused refused => Refused(ProblemCode.SpecInvalid, [.. refused.Errors.Select(e => e.Message), .. signatureErrors]),
            SpecOutcome.Accepted accepted when FloorSchedule.Faults(accepted.Spec) is { IsEmpty: false } faults =>
                Refused(ProblemCode.SpecInvalid, [.. faults.Select(f => f.Message), .. signatureErrors]),
            SpecOutcome.Accepted when !signatureErrors.IsEmpty => Refused(ProblemCode.SpecInvalid, signatureErrors),
            SpecOutcome.Accepted accepted when room.Refusal(tenant, name, accepted.Spec, isBesideOthers: canary is not null) is { } refusal => new DeployVerdict.Refused(ProblemCode.SpecInvalid, refusal),
            SpecOutcome.Accepted accepted when driver.IsolationRefusal(accepted.Spec) is { } refusal => new DeployVerdict.Refused(ProblemCode.SpecInvalid, refusal),
            SpecOutcome.Accepted { Spec.BatchMax: > 1 and var batchMax } when !request.Verify => Refused(
                ProblemCode.SpecInvalid, [$"batch_max is {batchMax} and verify is off; whether invocations of the model can share runs is found out by verifying it. Verify it, or leave batch_max out."]),
            SpecOutcome.Accepted { Spec.Overflow: { } away } when overflow.Refusal(away) is { } refusal => new DeployVerdict.Refused(ProblemCode.SpecInvalid, refusal),
            SpecOutcome.Accepted accepted => new DeployVerdict.Fine(package, accepted.Spec, canary),
            _ => throw new InvalidOperationException("A spec is accepted or refused."),
        };
    }

    private async Task<DeployVerdict> WithSecretsAsync(TenantId tenant, DeployVerdict verdict, CancellationToken cancellationToken) =>
        verdict is DeployVerdict.Fine fine && await secrets.OpenAsync(tenant, fine.Spec, cancellationToken) is SecretsOutcome.Refused refused
            ? new DeployVerdict.Refused(refused.IsMissing ? ProblemCode.SecretNotFound : ProblemCode.SpecInvalid, refused.Reason)
            : verdict;

    private async Task<DeployVerdict> WithEnvironmentAsync(DeployVerdict verdict, CancellationToken cancellationToken)
    {
        if (verdict is not DeployVerdict.Fine { Spec.Kind.RunsModels: false } fine)
        {
            return verdict;
        }

        // Which requirements file counts is settled here, so that it is seen and stays the same.
        var spec = fine.Spec with { Requirements = PythonNeeds.Of(fine.Spec).File(fine.Package.Files.Select(f => f.Path)) ?? fine.Spec.Requirements };
        return await environments.PlanAsync(fine.Package, PythonNeeds.Of(spec), cancellationToken) switch
        {
            PlanOutcome.Refused refused => Refused(ProblemCode.SpecInvalid, refused.Errors),
            PlanOutcome.Planned { Plan: var plan } => fine with { Spec = spec with { PythonEnvironment = plan.Id }, Environment = plan },
            _ => fine with { Spec = spec },
        };
    }

    private async Task<DeployVerdict?> DebutRefusalAsync(TenantId tenant, string name, DeployRequest request, CancellationToken cancellationToken)
    {
        if (request is { Traffic: false, Canary: { } canary })
        {
            return new DeployVerdict.Refused(
                ProblemCode.SpecInvalid, $"canary.percent is {canary.Percent}, but traffic is false; allowed is one of them: a canary is judged by the traffic that it gets.");
        }

        if (request.Tag is not { } tag)
        {
            return null;
        }

        return TagRules.Refusal(tag) is { } refusal ? new DeployVerdict.Refused(ProblemCode.NameInvalid, refusal)
            : TagRules.Full(await catalogue.FindAsync(tenant, name, cancellationToken), tag) is { } full ? new DeployVerdict.Refused(ProblemCode.SpecInvalid, full)
            : null;
    }

    private async Task<(CanaryPolicy? Policy, DeployVerdict.Refused? Refusal)> CanaryAsync(
        TenantId tenant, string name, CanarySettings? settings, CancellationToken cancellationToken)
    {
        if (settings is null)
        {
            return (null, null);
        }

        switch (CanaryRules.Apply(settings.Percent, settings.Min, settings.For))
        {
            case CanaryOutcome.Refused refused:
                return (null, Refused(ProblemCode.SpecInvalid, [.. refused.Errors.Select(e => e.Message)]));

            case CanaryOutcome.Accepted { Policy: var policy }:
                var endpoint = await catalogue.FindAsync(tenant, name, cancellationToken);
                return CanaryRules.Refusal(endpoint, name, policy) is { } refusal
                    ? (null, new DeployVerdict.Refused(endpoint?.Canary?.IsOpen is true ? ProblemCode.Conflict : ProblemCode.SpecInvalid, refusal))
                    : (policy, null);

            default:
                throw new InvalidOperationException("A canary is accepted or refused.");
        }
    }

    private async Task<(HandoverPolicy? Policy, DeployVerdict.Refused? Refusal)> HandoverAsync(
        TenantId tenant, string name, DeployRequest request, CancellationToken cancellationToken)
    {
        if (request.Handover is not { } settings)
        {
            return (null, null);
        }

        if (request.Canary is not null || !request.Traffic)
        {
            var other = request.Canary is null ? "traffic is false" : $"canary.percent is {request.Canary.Percent}";
            return (null, new DeployVerdict.Refused(ProblemCode.SpecInvalid, $"handover is set, but {other}; allowed is one of them: a handover gives the revision all traffic once it is warm."));
        }

        switch (HandoverRules.Apply(settings.Warm, settings.KeepOld, settings.For))
        {
            case HandoverOutcome.Refused refused:
                return (null, Refused(ProblemCode.SpecInvalid, [.. refused.Errors.Select(e => e.Message)]));

            case HandoverOutcome.Accepted { Policy: var policy }:
                return HandoverRules.Refusal(await catalogue.FindAsync(tenant, name, cancellationToken)) is { } refusal
                    ? (null, new DeployVerdict.Refused(ProblemCode.Conflict, refusal))
                    : (policy, null);

            default:
                throw new InvalidOperationException("A handover is accepted or refused.");
        }
    }

    private static DeployVerdict WithHandover(DeployVerdict verdict, HandoverPolicy? handover) => (verdict, handover) switch
    {
        (DeployVerdict.Fine fine, { } policy) when HandoverRules.Excess(policy, "the revision", fine.Spec.MaxInstances) is { } excess => new DeployVerdict.Refused(ProblemCode.SpecInvalid, excess),
        (DeployVerdict.Fine fine, not null) => fine with { Handover = handover },
        _ => verdict,
    };

    private async Task<string?> SignatureAsync(RevisionSettings settings, Package package, CancellationToken cancellationToken)
    {
        if (settings.Signature is not null)
        {
            return settings.Signature;
        }

        if (package.Files.FirstOrDefault(f => f.Path == SignatureFile) is not { } file || await blobs.FetchAsync(file.Hash, cancellationToken) is not { } path)
        {
            return null;
        }

        // A longer file is refused by its length alone; it need not be read whole for that.
        using var reader = new StreamReader(path);
        var buffer = new char[Math.Min(file.SizeBytes, SignatureText.CharactersMax) + 1];
        return new string(buffer, 0, await reader.ReadBlockAsync(buffer, cancellationToken));
    }

    private static DeployVerdict.Refused Refused(ProblemCode code, ImmutableArray<string> errors) => new(code, string.Join(' ', errors));
}
