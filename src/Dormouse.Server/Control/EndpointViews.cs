using System.Collections.Immutable;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Protocol.Control;
using Dormouse.Server.Deploying;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Overflow;
using Dormouse.Server.Queues;
using Dormouse.Server.Rollouts;
using Microsoft.AspNetCore.Http;
using Endpoint = Dormouse.Core.Endpoints.Endpoint;

namespace Dormouse.Server.Control;

/// <summary>An endpoint as people see it: what is stored, and what of it runs now.</summary>
internal sealed class EndpointViews(
    ICatalogue catalogue, DispatchService dispatch, CanaryWatches canaries, MirrorCopies mirrors, OverflowLanes overflow, QueueViews queues, IInstanceDriver driver, OptimisedModels optimised,
    Secrets.SecretViews secrets, Routing.RoutingTable routing)
{
    /// <summary>With revisions, instances and the scaling log.</summary>
    public async Task<EndpointInfo> DetailAsync(Endpoint endpoint, HttpRequest request, CancellationToken cancellationToken)
    {
        var revisions = await catalogue.RevisionsAsync(endpoint.Id, cancellationToken);
        var samples = dispatch.Samples(endpoint.Id);
        var use = await queues.UseAsync(endpoint.Id, cancellationToken);
        return Head(endpoint, revisions.IsEmpty ? null : revisions[0], samples, request) with
        {
            Revisions = await RevisionsAsync(endpoint, revisions, cancellationToken),
            Instances = await secrets.WithOlderAsync(
                endpoint.Tenant, revisions, [.. samples.SelectMany(s => s.Sample.Instances.Select(i => Instance(s.Revision, i, s.Sample.Concurrency?.Slots)))], cancellationToken),
            Overflow = overflow.Infos(revisions),
            Mirror = mirrors.Info(endpoint),
            Queue = await queues.InfoAsync(endpoint.Id, cancellationToken),
            OnSuccess = use.OnSuccess,
            OnFailure = use.OnFailure,
            Scaling =
            [
                .. dispatch.Changes(endpoint.Id)
                    .Select(c => new ScalingInfo(c.At, RevisionViews.Name(c.Change.Revision), c.Change.From, c.Change.To, c.Change.Reason)),
            ],
        };
    }

    /// <summary>A page in order of name, without revisions, instances and the scaling log.</summary>
    /// <param name="after">Name behind which it begins; null = at the first.</param>
    public async Task<EndpointList> PageAsync(TenantId tenant, string? after, int limit, HttpRequest request, CancellationToken cancellationToken)
    {
        // One more than asked for tells whether another page follows.
        var found = await catalogue.PageAsync(tenant, after, limit + 1, cancellationToken);
        var hasMore = found.Length > limit;
        var infos = ImmutableArray.CreateBuilder<EndpointInfo>();
        foreach (var endpoint in hasMore ? found[..limit] : found)
        {
            // Only an endpoint that nothing can be sent to needs its newest revision to say why.
            var newest = endpoint.Traffic.IsEmpty ? (await catalogue.RevisionsAsync(endpoint.Id, cancellationToken)).FirstOrDefault() : null;
            infos.Add(Head(endpoint, newest, dispatch.Samples(endpoint.Id), request));
        }

        return new EndpointList(infos.ToImmutable(), hasMore ? infos[^1].Name : null);
    }

    public async Task<ImmutableArray<RevisionInfo>> RevisionsAsync(Endpoint endpoint, ImmutableArray<Revision> revisions, CancellationToken cancellationToken)
    {
        var infos = ImmutableArray.CreateBuilder<RevisionInfo>(revisions.Length);
        foreach (var revision in revisions)
        {
            infos.Add(await RevisionAsync(endpoint, revision, cancellationToken));
        }

        return infos.MoveToImmutable();
    }

    public async Task<RevisionInfo> RevisionAsync(Endpoint endpoint, Revision revision, CancellationToken cancellationToken) =>
        RevisionViews.Info(revision, endpoint, await optimised.IsShownAsync(revision, cancellationToken)) with
        {
            Isolation = IsolationLevels.NameOf(driver.IsolationOf(revision.Spec)),
            Limits = revision.Spec.Kind.HasInstances ? driver.Limits : null,
            Template = RevisionViews.Template(driver.Template(revision.Id)),
            Snapshot = RevisionViews.Snapshot(driver.Snapshot(revision.Id)),
        };

    /// <summary>The words of <see cref="EndpointInfo.Status"/>.</summary>
    public static string Status(Endpoint endpoint, Revision? newest, ImmutableArray<(RevisionId Revision, RevisionSample Sample)> samples)
    {
        if (endpoint.IsUnloaded)
        {
            return "unloaded";
        }

        var states = samples.SelectMany(s => s.Sample.Instances).Select(i => i.State).ToHashSet();
        if (states.Contains(InstanceState.Ready))
        {
            return "ready";
        }

        if (states.Contains(InstanceState.Starting))
        {
            return "starting";
        }

        if (states.Contains(InstanceState.Waiting))
        {
            return "waiting";
        }

        return (endpoint.Traffic.IsEmpty, newest?.State) switch
        {
            (false, _) => "idle",
            (true, RevisionState.Failed) => "failed",
            (true, RevisionState.Ready) => "idle",
            (true, _) => "verifying",
        };
    }

    private EndpointInfo Head(
        Endpoint endpoint, Revision? newest, ImmutableArray<(RevisionId Revision, RevisionSample Sample)> samples, HttpRequest request) => new()
        {
            Name = endpoint.Name,
            Id = endpoint.Id.ToString(),
            Tenant = endpoint.Tenant.Value,
            Status = Status(endpoint, newest, samples),
            Url = Url(endpoint, routing.Find(endpoint.Tenant, endpoint.Name)?.Revisions.FirstOrDefault() ?? newest, request),
            Public = endpoint.IsPublic,
            Traffic = endpoint.Traffic.ToImmutableSortedDictionary(t => RevisionViews.Name(t.Revision), t => t.Weight),
            Tags = endpoint.Tags.IsEmpty ? null : endpoint.Tags.ToImmutableSortedDictionary(t => t.Name, t => RevisionViews.Name(t.Revision), StringComparer.Ordinal),
            Queued = samples.Sum(s => s.Sample.Queued),
            Canary = endpoint.Canary is { } canary ? CanaryViews.Info(canary, canaries.Find(endpoint.Id)) : null,
            Handover = endpoint.Handover is { } handover ? HandoverViews.Info(handover, samples) : null,
            CreatedAt = endpoint.CreatedAt,
        };

    /// <summary>Where the addresses of its tenant begin, as the caller names the server. No '/' at the end.</summary>
    public static string BaseUrl(Endpoint endpoint, HttpRequest request) =>
        $"{request.Scheme}://{request.Host}{(endpoint.Tenant == TenantId.Default ? "" : "/t/" + endpoint.Tenant)}";

    /// <param name="revision">One of its own, to tell a model from a function; null = nothing is known.</param>
    private static string Url(Endpoint endpoint, Revision? revision, HttpRequest request)
    {
        var path = revision?.Spec.Kind.RunsModels ?? true ? $"/v2/models/{endpoint.Name}/infer" : $"/invoke/{endpoint.Name}";
        return BaseUrl(endpoint, request) + path;
    }

    private InstanceInfo Instance(RevisionId revision, InstanceSample sample, int? concurrencyLimit) => new(
        sample.Instance.ToString(),
        RevisionViews.Name(revision.Number),
        Words.Of(sample.State),
        sample.Running,
        dispatch.WallTime(sample.StartedAt),
        sample.IdleSince is { } idle ? dispatch.WallTime(idle) : null,
        driver.MemoryBytes(sample.Instance),
        driver.ProcessId(sample.Instance),
        sample.IsProvisioned,
        concurrencyLimit)
    {
        WaitsFor = sample.HeldFor is { } reason ? Words.Of(reason) : null,
    };
}
