using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Core.Pipelines;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Pipelines;
using Dormouse.Server.Routing;
using YamlDotNet.Core;

namespace Dormouse.Server.Deploying;

/// <summary>The deploy of a pipeline judged: its package is its definition, and it has no instances that could be warmed or watched.</summary>
internal sealed class PipelineDeploy(PackageCheck packages, PipelineCheck check, IBlobStore blobs, RoutingTable routes)
{
    private const int DepthMax = 40;

    public static bool IsPipeline(DeployRequest request) => RuntimeKind.Find(RuntimeKind.NameFor(request.Settings.Runtime, request.Settings.Handler)) is { HasInstances: false };

    /// <summary>An endpoint stays what it is: its callers, settings and rollouts differ. Null when it does.</summary>
    public DeployVerdict.Refused? KindRefusal(TenantId tenant, string name, DeployRequest request) =>
        routes.Find(tenant, name) is { Revisions: [{ Spec.Kind.HasInstances: var hasInstances }, ..] } && hasInstances == IsPipeline(request)
            ? new DeployVerdict.Refused(
                ProblemCode.SpecInvalid, $"'{name}' {(hasInstances ? "is no pipeline and cannot become one" : "is a pipeline and cannot become anything else")}. Choose another name, or delete it first.")
            : null;

    public async Task<DeployVerdict> CheckAsync(TenantId tenant, string name, DeployRequest request, MachineFacts machine, CancellationToken cancellationToken)
    {
        if (request.Canary is not null || request.Handover is not null)
        {
            return new DeployVerdict.Refused(
                ProblemCode.SpecInvalid, $"{(request.Canary is null ? "handover" : "canary")} is set, but a pipeline has no instances to watch or to warm. Deploy it without; traffic weights divide its calls among revisions.");
        }

        var (package, refused) = await packages.CheckAsync(tenant, request.Files, cancellationToken);
        if (package is null)
        {
            return refused!; // One of the two is there.
        }

        var (text, unread) = await ReadAsync(package, cancellationToken);
        if (unread is not null)
        {
            return new DeployVerdict.Refused(ProblemCode.PackageInvalid, unread);
        }

        return SpecRules.Apply(SettingsViews.Wishes(request.Settings, request.Settings.Signature) with { Pipeline = text }, machine) switch
        {
            SpecOutcome.Refused wrong => new DeployVerdict.Refused(ProblemCode.SpecInvalid, string.Join(' ', wrong.Errors.Select(e => e.Message))),
            SpecOutcome.Accepted { Spec.Pipeline: { } definition } when check.Refusal(tenant, name, definition) is { } refusal => new DeployVerdict.Refused(ProblemCode.SpecInvalid, refusal),
            SpecOutcome.Accepted { Spec: var spec } => new DeployVerdict.Fine(package, spec),
            _ => throw new InvalidOperationException("A spec is accepted or refused."),
        };
    }

    /// <summary>The definition as JSON, or why there is none.</summary>
    private async Task<(string? Json, string? Fault)> ReadAsync(Package package, CancellationToken cancellationToken)
    {
        if (package.Files is not [var file])
        {
            return (null, $"The package of a pipeline is its definition, one YAML or JSON file; this one has {package.Files.Length} files.");
        }

        if (file.SizeBytes > PipelineLimits.TextMax)
        {
            return (null, $"'{file.Path}' has {file.SizeBytes} bytes; the definition of a pipeline may have {PipelineLimits.TextMax}.");
        }

        if (await blobs.FetchAsync(file.Hash, cancellationToken) is not { } path)
        {
            return (null, $"'{file.Path}' was removed meanwhile. Send it again.");
        }

        try
        {
            return (YamlText.ToJson(await File.ReadAllTextAsync(path, cancellationToken), DepthMax), null);
        }
        catch (YamlException e)
        {
            return (null, $"'{file.Path}' is no YAML or JSON at line {e.Start.Line}: {e.Message}");
        }
    }
}
