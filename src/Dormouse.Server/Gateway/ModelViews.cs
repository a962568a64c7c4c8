using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Routing;

namespace Dormouse.Server.Gateway;

/// <summary>What is known of models without running one, for HTTP and gRPC alike. Nothing here starts an instance.</summary>
internal sealed class ModelViews(RoutingTable routes, ICatalogue catalogue, RevisionResolver resolver, RevisionStatistics statistics)
{
    /// <summary>Words for what this server does beyond the protocol's core.</summary>
    public static readonly ImmutableArray<string> Extensions =
        ["classification", "model_configuration", "model_repository", "model_repository(unload_dependents)", "statistics", "binary_tensor_data", "parameters"];

    public static ServerMetadata Server() => new("dormouse", typeof(ModelViews).Assembly.GetName().Version?.ToString(3) ?? "0", Extensions);

    /// <summary>Names of a tenant's endpoints, in order.</summary>
    public ImmutableArray<string> Names(TenantId tenant) => [.. routes.List(tenant).Select(r => r.Endpoint.Name)];

    /// <summary>The revision that a metadata call means: the named one, else the one with most traffic.</summary>
    public async ValueTask<Resolution> ResolveAsync(EndpointRoute route, string? version, CancellationToken cancellationToken)
    {
        if (!string.IsNullOrEmpty(version))
        {
            return await resolver.FindAsync(route, version, cancellationToken) is { } named
                ? new Resolution(named, null)
                : new Resolution(null, Problem.RevisionNotFound(route.Endpoint.Name, version));
        }

        var heaviest = route.Endpoint.Traffic.OrderByDescending(t => t.Weight).ThenByDescending(t => t.Revision).Select(t => t.Revision).FirstOrDefault();
        return route.Revisions.FirstOrDefault(r => r.Id.Number == heaviest) is { } revision
            ? new Resolution(revision, null)
            : await resolver.NoneAsync(route.Endpoint, cancellationToken);
    }

    /// <summary>True when an invocation would be served: a model without an instance counts, its start is part of serving.</summary>
    public async ValueTask<bool> IsReadyAsync(EndpointRoute route, string? version, CancellationToken cancellationToken) =>
        !route.Endpoint.IsUnloaded && (await ResolveAsync(route, version, cancellationToken)).Revision is not null;

    /// <summary>Null when nothing has loaded the model yet, so its inputs are unknown.</summary>
    public static ModelInterface? InterfaceOf(Revision revision) =>
        revision.Interface is { } json ? JsonSerializer.Deserialize(json, ModelInterfaceJson.Default.ModelInterface) : null;

    public static Problem NotLoadedYet(string endpoint) => new(
        ProblemCode.EndpointNotReady, $"Nothing has loaded the model of '{endpoint}' yet, so its inputs and outputs are not known. Invoke it once, or deploy it without --no-verify.");

    public async ValueTask<ModelMetadata> MetadataAsync(EndpointRoute route, ModelInterface model, CancellationToken cancellationToken)
    {
        var versions = (await RevisionsAsync(route, cancellationToken)).Where(r => r.State == RevisionState.Ready).Select(r => Text(r.Id.Number)).ToImmutableArray();
        return new ModelMetadata(route.Endpoint.Name, versions, model.Platform, model.Inputs, model.Outputs) { Function = model.Function };
    }

    /// <summary>As Triton has it, dimensions are without the first where invocations are batched along it; requests always give the full shape.</summary>
    public static ModelConfig Config(EndpointRoute route, Revision revision, ModelInterface model)
    {
        var isBatched = revision.Spec.BatchMax > 1;
        return new ModelConfig(
            route.Endpoint.Name, model.Platform, revision.Spec.Kind.RunsModels ? "onnxruntime" : revision.Spec.Runtime, isBatched ? revision.Spec.BatchMax : 0,
            [.. model.Inputs.Select(i => Tensor(i, isBatched))], [.. model.Outputs.Select(o => Tensor(o, isBatched))],
            [new ModelInstanceGroup("KIND_CPU", revision.Spec.Concurrency)], ModelFiles.Of(revision)?.Model.Path ?? revision.Spec.Handler ?? "")
        {
            DynamicBatching = isBatched ? new ModelDynamicBatching((long)revision.Spec.BatchDelay.TotalMicroseconds) : null,
        };
    }

    /// <summary>Counters of one revision.</summary>
    public ModelStatistics Statistics(EndpointRoute route, Revision revision) => new([Stats(route, revision)]);

    /// <summary>Counters of every revision that can be called.</summary>
    public async ValueTask<ModelStatistics> StatisticsAsync(EndpointRoute route, CancellationToken cancellationToken) =>
        new([.. (await RevisionsAsync(route, cancellationToken)).Where(r => r.State == RevisionState.Ready).Select(r => Stats(route, r))]);

    /// <summary>Those of all of a tenant's endpoints, in order of name.</summary>
    public async ValueTask<ModelStatistics> StatisticsAsync(TenantId tenant, CancellationToken cancellationToken)
    {
        var rows = ImmutableArray.CreateBuilder<ModelStats>();
        foreach (var route in routes.List(tenant))
        {
            rows.AddRange((await StatisticsAsync(route, cancellationToken)).ModelStats);
        }

        return new ModelStatistics(rows.ToImmutable());
    }

    /// <summary>A row for each revision of a tenant's endpoints, in order of name and number.</summary>
    public async ValueTask<ImmutableArray<ModelIndex>> IndexAsync(TenantId tenant, bool onlyReady, CancellationToken cancellationToken)
    {
        var rows = ImmutableArray.CreateBuilder<ModelIndex>();
        foreach (var route in routes.List(tenant))
        {
            foreach (var revision in await RevisionsAsync(route, cancellationToken))
            {
                var (state, reason) = StateOf(route.Endpoint, revision);
                rows.Add(new ModelIndex(route.Endpoint.Name, Text(revision.Id.Number), state, reason));
            }
        }

        return onlyReady ? [.. rows.Where(r => r.State == "READY")] : rows.ToImmutable();
    }

    private static (string State, string Reason) StateOf(Endpoint endpoint, Revision revision) => revision.State switch
    {
        RevisionState.Failed => ("UNAVAILABLE", revision.Failure ?? "refused at deploy"),
        RevisionState.Verifying => ("LOADING", "being verified"),
        _ => endpoint.IsUnloaded ? ("UNAVAILABLE", "unloaded") : ("READY", ""),
    };

    private async ValueTask<IEnumerable<Revision>> RevisionsAsync(EndpointRoute route, CancellationToken cancellationToken) =>
        (await catalogue.RevisionsAsync(route.Endpoint.Id, cancellationToken)).OrderBy(r => r.Id.Number);

    private static ModelConfigTensor Tensor(TensorInfo tensor, bool isBatched) =>
        new(tensor.Name, "TYPE_" + (tensor.Datatype == "BYTES" ? "STRING" : tensor.Datatype), isBatched && !tensor.Shape.IsEmpty ? tensor.Shape[1..] : tensor.Shape);

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private ModelStats Stats(EndpointRoute route, Revision revision)
    {
        var counters = statistics.Of(revision.Id);
        var successes = counters.Successes;
        var none = new StatDuration(0, 0);
        return new ModelStats(
            route.Endpoint.Name, Text(revision.Id.Number), counters.LastUnixMilliseconds, successes, revision.Spec.BatchMax > 1 ? counters.Batches.Runs : successes,
            new InferenceStats(
                new StatDuration(successes, counters.SuccessMicroseconds * 1000),
                new StatDuration(counters.Failures, counters.FailMicroseconds * 1000),
                new StatDuration(successes, counters.QueueMicroseconds * 1000),
                none, new StatDuration(successes, counters.RunMicroseconds * 1000), none, none, none))
        {
            BatchStats = [.. counters.Batches.Sizes().Select(size => new BatchStats(size.Rows, none, new StatDuration(size.Runs, size.RunMicroseconds * 1000), none))],
        };
    }
}
