using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;

namespace Dormouse.Server.Tests.Gateway;

/// <summary>Endpoints and revisions in two dictionaries under one lock.</summary>
internal sealed class InMemoryCatalogue : ICatalogue
{
    private readonly Lock _all = new();
    private readonly Dictionary<EndpointId, Endpoint> _endpoints = [];
    private readonly Dictionary<RevisionId, Revision> _revisions = [];

    public void Put(Endpoint endpoint, params IEnumerable<Revision> revisions)
    {
        lock (_all)
        {
            _endpoints[endpoint.Id] = endpoint;
            foreach (var revision in revisions)
            {
                _revisions[revision.Id] = revision;
            }
        }
    }

    public async IAsyncEnumerable<CatalogueEntry> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<CatalogueEntry> entries;
        lock (_all)
        {
            entries = [.. _endpoints.Values.OrderBy(e => e.Id.Value).Select(EntryLocked)];
        }

        foreach (var entry in entries)
        {
            await Task.CompletedTask;
            yield return entry;
        }
    }

    public Task<Endpoint?> FindAsync(TenantId tenant, string name, CancellationToken cancellationToken)
    {
        lock (_all)
        {
            return Task.FromResult(_endpoints.Values.FirstOrDefault(e => e.Tenant == tenant && e.Name == name));
        }
    }

    public Task<CatalogueEntry?> FindEntryAsync(EndpointId endpoint, int revision, CancellationToken cancellationToken)
    {
        lock (_all)
        {
            return Task.FromResult(_endpoints.TryGetValue(endpoint, out var found) ? EntryLocked(found) : null);
        }
    }

    public Task<ImmutableArray<Endpoint>> ListAsync(TenantId tenant, CancellationToken cancellationToken)
    {
        lock (_all)
        {
            return Task.FromResult(_endpoints.Values.Where(e => e.Tenant == tenant).OrderBy(e => e.Name, StringComparer.Ordinal).ToImmutableArray());
        }
    }

    public async Task<ImmutableArray<Endpoint>> PageAsync(TenantId tenant, string? after, int count, CancellationToken cancellationToken) =>
        [.. (await ListAsync(tenant, cancellationToken)).Where(e => after is null || string.CompareOrdinal(e.Name, after) > 0).Take(count)];

    public Task<ImmutableArray<Revision>> RevisionsAsync(EndpointId endpoint, CancellationToken cancellationToken)
    {
        lock (_all)
        {
            return Task.FromResult(_revisions.Values.Where(r => r.Id.Endpoint == endpoint).OrderByDescending(r => r.Id.Number).ToImmutableArray());
        }
    }

    public Task<Revision?> FindRevisionAsync(RevisionId id, CancellationToken cancellationToken)
    {
        lock (_all)
        {
            return Task.FromResult(_revisions.GetValueOrDefault(id));
        }
    }

    public Task<CatalogueEntry> AddRevisionAsync(NewRevision revision, EndpointId newEndpointId, DateTimeOffset now, CancellationToken cancellationToken) =>
        throw new NotSupportedException("The data plane adds no revisions.");

    public Task<CatalogueEntry?> CompleteRevisionAsync(
        RevisionId id, RevisionState state, ModelLoad? load, string? failure, bool giveTraffic, DateTimeOffset now, CancellationToken cancellationToken)
    {
        lock (_all)
        {
            if (!_revisions.TryGetValue(id, out var revision))
            {
                return Task.FromResult<CatalogueEntry?>(null);
            }

            _revisions[id] = revision with { State = state, Interface = load?.Interface ?? revision.Interface, LoadTime = load?.Time ?? revision.LoadTime, Failure = failure };
            return Task.FromResult<CatalogueEntry?>(EntryLocked(_endpoints[id.Endpoint]));
        }
    }

    public Task<CatalogueEntry?> SetTrafficAsync(EndpointId endpoint, ImmutableArray<TrafficShare> traffic, DateTimeOffset now, CancellationToken cancellationToken)
    {
        lock (_all)
        {
            if (Change(endpoint, e => e with { Traffic = traffic, PreviousTraffic = e.Traffic }) is { } changed)
            {
                return Task.FromResult<CatalogueEntry?>(EntryLocked(changed));
            }

            return Task.FromResult<CatalogueEntry?>(null);
        }
    }

    public Task<CatalogueEntry?> SetTagAsync(EndpointId endpoint, string tag, int? revision, CancellationToken cancellationToken) =>
        throw new NotSupportedException("The data plane sets no tags.");

    public Task<CatalogueEntry?> SetMirrorAsync(EndpointId endpoint, Mirror? mirror, CancellationToken cancellationToken)
    {
        lock (_all)
        {
            return Task.FromResult(Change(endpoint, e => e with { Mirror = mirror }) is { } changed ? EntryLocked(changed) : null);
        }
    }

    public Task<CatalogueEntry?> ApplyCanaryAsync(RevisionId revision, CanaryDecision decision, DateTimeOffset now, CancellationToken cancellationToken) =>
        throw new NotSupportedException("The data plane decides no canary.");

    public Task<CatalogueEntry?> BeginHandoverAsync(EndpointId endpoint, ImmutableArray<TrafficShare> traffic, HandoverPolicy policy, DateTimeOffset now, CancellationToken cancellationToken) =>
        throw new NotSupportedException("The data plane begins no handover.");

    public Task<CatalogueEntry?> ApplyHandoverAsync(EndpointId endpoint, HandoverDecision decision, DateTimeOffset now, CancellationToken cancellationToken) =>
        throw new NotSupportedException("The data plane decides no handover.");

    public Task<Endpoint?> SetUnloadedAsync(EndpointId endpoint, bool isUnloaded, DateTimeOffset now, CancellationToken cancellationToken)
    {
        lock (_all)
        {
            return Task.FromResult(Change(endpoint, e => e with { IsUnloaded = isUnloaded }));
        }
    }

    public Task<Endpoint?> SetPublicAsync(EndpointId endpoint, bool isPublic, CancellationToken cancellationToken)
    {
        lock (_all)
        {
            return Task.FromResult(Change(endpoint, e => e with { IsPublic = isPublic }));
        }
    }

    public Task<bool> DeleteAsync(EndpointId endpoint, CancellationToken cancellationToken)
    {
        lock (_all)
        {
            return Task.FromResult(_endpoints.Remove(endpoint));
        }
    }

    public Task<ImmutableArray<Revision>> UnverifiedAsync(CancellationToken cancellationToken)
    {
        lock (_all)
        {
            return Task.FromResult(_revisions.Values.Where(r => r.State == RevisionState.Verifying).ToImmutableArray());
        }
    }

    private Endpoint? Change(EndpointId id, Func<Endpoint, Endpoint> change) =>
        _endpoints.TryGetValue(id, out var endpoint) ? _endpoints[id] = change(endpoint) : null;

    private CatalogueEntry EntryLocked(Endpoint endpoint) => new(
        endpoint, [.. _revisions.Values.Where(r => r.Id.Endpoint == endpoint.Id && endpoint.Traffic.Any(t => t.Revision == r.Id.Number)).OrderBy(r => r.Id.Number)]);
}
