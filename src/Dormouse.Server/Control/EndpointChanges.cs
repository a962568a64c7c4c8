using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Logs;
using Dormouse.Server.Rollouts;
using Dormouse.Server.Routing;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Control;

/// <summary>
/// The one writer of endpoints after their creation: changes the catalogue, then routing, then dispatch, for one endpoint at a time, so that routing never
/// shows an older state than the catalogue. Nothing else may put routes.
/// </summary>
internal sealed partial class EndpointChanges(
    ICatalogue catalogue, RoutingTable routing, DispatchService dispatch, CanaryWatches canaries, HandoverWatches handovers, LogStore logs, TimeProvider time, ILogger<EndpointChanges> logger)
{
    private const int StripesCount = 64;

    private readonly SemaphoreSlim[] _stripes = [.. Enumerable.Range(0, StripesCount).Select(_ => new SemaphoreSlim(1))];

    /// <summary>Adds a revision, and the endpoint when the name is free. It carries no traffic yet.</summary>
    /// <remarks>What is stored is routed: the token counts until then only.</remarks>
    public async Task<AddedRevision> AddAsync(NewRevision revision, EndpointId newEndpointId, CancellationToken cancellationToken)
    {
        var entry = await catalogue.AddRevisionAsync(revision, newEndpointId, time.GetUtcNow(), cancellationToken);
        var added = entry.Revisions.MaxBy(r => r.Id.Number) ?? throw new InvalidOperationException("The catalogue answered without the revision that it added.");
        var stripe = Stripe(entry.Endpoint.Id);
        await stripe.WaitAsync(CancellationToken.None);
        try
        {
            // Read again under the lock: another change may have come between, and routing must not fall behind it.
            if (await catalogue.FindAsync(revision.Tenant, revision.EndpointName, CancellationToken.None) is { } now && now.Id == entry.Endpoint.Id)
            {
                var route = routing.Find(now.Tenant, now.Name);
                routing.Put(route is not null && route.Endpoint.Id == now.Id ? route with { Endpoint = now } : new EndpointRoute(now, []));
            }
        }
        finally
        {
            stripe.Release();
        }

        LogAdded(entry.Endpoint.Name, entry.Endpoint.Tenant, added.Id.Number, added.State);
        return new AddedRevision(entry.Endpoint, added);
    }

    /// <summary>Verifying ended (or was skipped). Null when the endpoint is gone.</summary>
    public Task<CatalogueEntry?> CompleteAsync(
        Revision revision, RevisionState state, ModelLoad? load, string? failure, bool giveTraffic, CancellationToken cancellationToken) =>
        ChangeAsync(
            revision.Id.Endpoint,
            $"r{revision.Id.Number} is {(state == RevisionState.Ready ? "ready" : "refused: " + failure)}",
            token => catalogue.CompleteRevisionAsync(revision.Id, state, load, failure, giveTraffic, time.GetUtcNow(), token),
            cancellationToken);

    /// <summary>As <see cref="CompleteAsync"/> for a revision that was verified, unless another server that shares the store was first: then nothing is changed any more.</summary>
    public Task<CatalogueEntry?> VerifiedAsync(
        Revision revision, RevisionState state, ModelLoad? load, string? failure, bool giveTraffic, CancellationToken cancellationToken) =>
        ChangeAsync(
            revision.Id.Endpoint,
            $"r{revision.Id.Number} is {(state == RevisionState.Ready ? "ready" : "refused: " + failure)}",
            async token => await catalogue.FindRevisionAsync(revision.Id, token) is { State: not RevisionState.Verifying }
                ? await catalogue.FindEntryAsync(revision.Id.Endpoint, revision.Id.Number, token)
                : await catalogue.CompleteRevisionAsync(revision.Id, state, load, failure, giveTraffic, time.GetUtcNow(), token),
            cancellationToken);

    /// <summary>A ready model was loaded: what that showed is kept.</summary>
    public Task<CatalogueEntry?> KeepLoadAsync(Revision revision, ModelLoad load, CancellationToken cancellationToken) =>
        ChangeAsync(
            revision.Id.Endpoint, null,
            token => catalogue.CompleteRevisionAsync(revision.Id, RevisionState.Ready, load, null, giveTraffic: false, time.GetUtcNow(), token),
            cancellationToken);

    public Task<CatalogueEntry?> SetTrafficAsync(EndpointId endpoint, ImmutableArray<TrafficShare> traffic, CancellationToken cancellationToken) =>
        ChangeAsync(
            endpoint, "traffic is " + string.Join(' ', traffic.Select(t => $"r{t.Revision}={t.Weight}")),
            token => catalogue.SetTrafficAsync(endpoint, traffic, time.GetUtcNow(), token),
            cancellationToken);

    /// <param name="revision">Null = the tag is removed.</param>
    public Task<CatalogueEntry?> SetTagAsync(EndpointId endpoint, string tag, int? revision, CancellationToken cancellationToken) =>
        ChangeAsync(
            endpoint, revision is { } number ? $"tag {tag} is r{number}" : $"tag {tag} is deleted",
            token => catalogue.SetTagAsync(endpoint, tag, revision, token),
            cancellationToken);

    /// <param name="mirror">Null = nothing is mirrored any more.</param>
    public Task<CatalogueEntry?> SetMirrorAsync(EndpointId endpoint, Mirror? mirror, CancellationToken cancellationToken) =>
        ChangeAsync(
            endpoint, mirror is null ? "nothing is mirrored any more" : $"{mirror.Percent} % of the invocations are mirrored to r{mirror.Revision}",
            token => catalogue.SetMirrorAsync(endpoint, mirror, token),
            cancellationToken);

    /// <summary>Carries out what was decided of the canary of this revision; nothing when it has ended meanwhile.</summary>
    public Task<CatalogueEntry?> ApplyCanaryAsync(RevisionId revision, CanaryDecision decision, CancellationToken cancellationToken) =>
        ChangeAsync(revision.Endpoint, null, token => catalogue.ApplyCanaryAsync(revision, decision, time.GetUtcNow(), token), cancellationToken);

    /// <summary>The traffic is to become this one, once the revisions that gain some are warm.</summary>
    public Task<CatalogueEntry?> BeginHandoverAsync(EndpointId endpoint, ImmutableArray<TrafficShare> traffic, HandoverPolicy policy, CancellationToken cancellationToken) =>
        ChangeAsync(endpoint, null, token => catalogue.BeginHandoverAsync(endpoint, traffic, policy, time.GetUtcNow(), token), cancellationToken);

    /// <summary>Carries out what was decided of the endpoint's handover; nothing when it is not at that point any more.</summary>
    public Task<CatalogueEntry?> ApplyHandoverAsync(EndpointId endpoint, HandoverDecision decision, CancellationToken cancellationToken) =>
        ChangeAsync(endpoint, null, token => catalogue.ApplyHandoverAsync(endpoint, decision, time.GetUtcNow(), token), cancellationToken);

    public Task<CatalogueEntry?> SetUnloadedAsync(EndpointId endpoint, bool isUnloaded, CancellationToken cancellationToken) =>
        ChangeAsync(
            endpoint, isUnloaded ? "unloaded" : "loaded",
            async token => WithRoute(await catalogue.SetUnloadedAsync(endpoint, isUnloaded, time.GetUtcNow(), token)),
            cancellationToken);

    public Task<CatalogueEntry?> SetPublicAsync(EndpointId endpoint, bool isPublic, CancellationToken cancellationToken) =>
        ChangeAsync(
            endpoint, isPublic ? "public" : "no longer public",
            async token => WithRoute(await catalogue.SetPublicAsync(endpoint, isPublic, token)),
            cancellationToken);

    /// <summary>The endpoint was changed in the store by another server, or by this one without its hearing of it: from now on it is here as it is there.</summary>
    /// <returns>Null when it is gone; then it is to be forgotten.</returns>
    public Task<CatalogueEntry?> ReloadAsync(EndpointId endpoint, CancellationToken cancellationToken) =>
        ChangeAsync(endpoint, null, token => catalogue.FindEntryAsync(endpoint, 0, token), cancellationToken);

    /// <summary>Another server has deleted the endpoint. Ends when nothing of it runs here any more.</summary>
    public Task ForgetAsync(Endpoint endpoint, CancellationToken cancellationToken) => RemoveAsync(endpoint, _ => Task.FromResult(true), cancellationToken);

    /// <summary>False when it was gone already. Ends when nothing of the endpoint runs any more, or with the token; then the rest ends by itself.</summary>
    public Task<bool> DeleteAsync(Endpoint endpoint, CancellationToken cancellationToken) => RemoveAsync(endpoint, token => catalogue.DeleteAsync(endpoint.Id, token), cancellationToken);

    private async Task<bool> RemoveAsync(Endpoint endpoint, Func<CancellationToken, Task<bool>> delete, CancellationToken cancellationToken)
    {
        var stripe = Stripe(endpoint.Id);
        await stripe.WaitAsync(cancellationToken);
        bool isDeleted;
        try
        {
            isDeleted = await delete(cancellationToken);
            routing.Remove(endpoint);
            canaries.Forget(endpoint.Id);
            handovers.Forget(endpoint.Id);
        }
        finally
        {
            stripe.Release();
        }

        logs.Remove(endpoint.Id);
        if (isDeleted)
        {
            LogDeleted(endpoint.Name, endpoint.Tenant, endpoint.Id);
        }

        await dispatch.RemoveAsync(endpoint.Id, cancellationToken);
        return isDeleted;
    }

    private async Task<CatalogueEntry?> ChangeAsync(
        EndpointId endpoint, string? news, Func<CancellationToken, Task<CatalogueEntry?>> change, CancellationToken cancellationToken)
    {
        var stripe = Stripe(endpoint);
        await stripe.WaitAsync(cancellationToken);
        try
        {
            if (await change(cancellationToken) is not { } entry)
            {
                return null;
            }

            var before = routing.Find(entry.Endpoint.Tenant, entry.Endpoint.Name)?.Endpoint;
            var route = EndpointRoute.Of(entry);
            routing.Put(route);
            canaries.Follow(entry.Endpoint);
            handovers.Follow(route);
            dispatch.TrafficChanged(entry.Endpoint, route.Revisions, route.Standby);
            if (news is not null)
            {
                logs.Append(endpoint, LogStore.ServerSource, news);
                LogChanged(entry.Endpoint.Name, entry.Endpoint.Tenant, news);
            }

            TellCanary(entry.Endpoint, before?.Canary);
            TellHandover(entry.Endpoint, before?.Handover);

            return entry;
        }
        finally
        {
            stripe.Release();
        }
    }

    private void TellCanary(Endpoint endpoint, Canary? before)
    {
        if (endpoint.Canary is not { } canary || canary.State == before?.State && canary.Revision == before.Revision)
        {
            return;
        }

        var news = canary.State == CanaryState.Running
            ? $"canary r{canary.Revision} gets {canary.Policy.Percent} % of the traffic"
            : $"canary r{canary.Revision} is {Words.Of(canary.State).Replace('_', ' ')}: {canary.Reason}";
        logs.Append(endpoint.Id, LogStore.ServerSource, news);
        LogChanged(endpoint.Name, endpoint.Tenant, news);
    }

    private void TellHandover(Endpoint endpoint, Handover? before)
    {
        if (endpoint.Handover is not { } handover || (handover.State == before?.State && handover.Standby.SequenceEqual(before.Standby)) || HandoverViews.Sentence(handover) is not { } sentence)
        {
            return;
        }

        logs.Append(endpoint.Id, LogStore.ServerSource, "handover: " + sentence);
        LogChanged(endpoint.Name, endpoint.Tenant, "handover: " + sentence);
    }

    /// <summary>These settings give no revision traffic that has none: those of the route are enough.</summary>
    private CatalogueEntry? WithRoute(Endpoint? endpoint) =>
        endpoint is null ? null : new CatalogueEntry(endpoint, routing.Find(endpoint.Tenant, endpoint.Name) is { } route ? [.. route.Revisions, .. route.Standby] : []);

    private SemaphoreSlim Stripe(EndpointId endpoint) => _stripes[(uint)endpoint.GetHashCode() % StripesCount];

    [LoggerMessage(EventId = 4003, EventName = "RevisionAdded", Level = LogLevel.Information, Message = "Endpoint {Endpoint} of {Tenant}: r{Number} is added ({State})")]
    private partial void LogAdded(string endpoint, TenantId tenant, int number, RevisionState state);

    [LoggerMessage(EventId = 4001, EventName = "EndpointChanged", Level = LogLevel.Information, Message = "Endpoint {Endpoint} of {Tenant}: {Change}")]
    private partial void LogChanged(string endpoint, TenantId tenant, string change);

    [LoggerMessage(EventId = 4002, EventName = "EndpointDeleted", Level = LogLevel.Information, Message = "Endpoint {Endpoint} of {Tenant} is deleted ({EndpointId})")]
    private partial void LogDeleted(string endpoint, TenantId tenant, EndpointId endpointId);
}

/// <summary>A revision just stored, with its endpoint.</summary>
internal sealed record AddedRevision(Endpoint Endpoint, Revision Revision);
