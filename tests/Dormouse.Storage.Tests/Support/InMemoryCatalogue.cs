using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;

namespace Dormouse.Storage.Tests.Support;

/// <summary>The catalogue's rules in their plainest form: what every store is compared with.</summary>
internal sealed class InMemoryCatalogue(Action<EndpointId, string> nameGiven, Action<RevisionId, string> hostGiven) : ICatalogue
{
    private readonly SortedDictionary<string, Endpoint> _endpoints = new(StringComparer.Ordinal);
    private readonly Dictionary<EndpointId, List<Revision>> _revisions = [];
    private readonly Dictionary<RevisionId, Debut> _debuts = [];

    public async IAsyncEnumerable<CatalogueEntry> ReadAllAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.CompletedTask;
        foreach (var endpoint in _endpoints.Values)
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return Entry(endpoint.Id, 0);
        }
    }

    public Task<Endpoint?> FindAsync(TenantId tenant, string name, CancellationToken cancellationToken) =>
        Task.FromResult(_endpoints.Values.SingleOrDefault(e => e.Tenant == tenant && e.Name == name));

    public Task<CatalogueEntry?> FindEntryAsync(EndpointId endpoint, int revision, CancellationToken cancellationToken) =>
        Task.FromResult(_revisions.ContainsKey(endpoint) ? Entry(endpoint, revision) : null);

    public Task<ImmutableArray<Endpoint>> ListAsync(TenantId tenant, CancellationToken cancellationToken) =>
        Task.FromResult<ImmutableArray<Endpoint>>([.. _endpoints.Values.Where(e => e.Tenant == tenant).OrderBy(e => e.Name, StringComparer.Ordinal)]);

    public async Task<ImmutableArray<Endpoint>> PageAsync(TenantId tenant, string? after, int count, CancellationToken cancellationToken) =>
        [.. (await ListAsync(tenant, cancellationToken)).Where(e => after is null || string.CompareOrdinal(e.Name, after) > 0).Take(count)];

    public Task<ImmutableArray<Revision>> RevisionsAsync(EndpointId endpoint, CancellationToken cancellationToken) =>
        Task.FromResult<ImmutableArray<Revision>>([.. _revisions.GetValueOrDefault(endpoint, []).AsEnumerable().Reverse()]);

    public Task<Revision?> FindRevisionAsync(RevisionId id, CancellationToken cancellationToken) =>
        Task.FromResult(_revisions.GetValueOrDefault(id.Endpoint, []).SingleOrDefault(r => r.Id == id));

    public async Task<CatalogueEntry> AddRevisionAsync(NewRevision revision, EndpointId newEndpointId, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var endpoint = await FindAsync(revision.Tenant, revision.EndpointName, cancellationToken);
        if (revision.Canary is { } policy && CanaryRules.Refusal(endpoint, revision.EndpointName, policy) is { } refusal)
        {
            throw new ArgumentException(refusal, nameof(revision));
        }

        if (revision.Handover is not null && HandoverRules.Refusal(endpoint) is { } other)
        {
            throw new ArgumentException(other, nameof(revision));
        }

        if (endpoint is null)
        {
            endpoint = new Endpoint { Tenant = revision.Tenant, Id = newEndpointId, Name = revision.EndpointName, CreatedAt = now };
            _revisions.Add(newEndpointId, []);
            nameGiven(newEndpointId, endpoint.Name);
        }

        var number = _revisions[endpoint.Id].Count + 1;
        Put(endpoint with
        {
            IsPublic = revision.IsPublic ?? endpoint.IsPublic,
            Canary = revision.Canary is null ? endpoint.Canary : new Canary { Revision = number, Policy = revision.Canary, State = CanaryState.Waiting },
        });
        if (revision.Handover is { } handover)
        {
            Put(HandoverFlow.Wait(Get(endpoint.Id), number, handover));
        }

        _revisions[endpoint.Id].Add(new Revision
        {
            Id = new RevisionId(endpoint.Id, number),
            Tenant = revision.Tenant,
            State = revision.State,
            Package = revision.Package,
            Spec = revision.Spec,
            Interface = revision.Interface,
            CreatedAt = now,
        });
        _debuts[new RevisionId(endpoint.Id, number)] = revision.Debut;
        if (revision.Spec.Overflow is { } overflow)
        {
            hostGiven(new RevisionId(endpoint.Id, number), overflow.Host);
        }

        return Entry(endpoint.Id, number);
    }

    public async Task<CatalogueEntry?> CompleteRevisionAsync(
        RevisionId id, RevisionState state, ModelLoad? load, string? failure, bool giveTraffic, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (await FindRevisionAsync(id, cancellationToken) is not { } revision)
        {
            return null;
        }

        _revisions[id.Endpoint][id.Number - 1] = revision with { State = state, Interface = load?.Interface ?? revision.Interface, LoadTime = load?.Time ?? revision.LoadTime, Failure = failure };
        Put(_debuts[id].Completed(Get(id.Endpoint), id.Number, state, giveTraffic, now));
        return Entry(id.Endpoint, id.Number);
    }

    public Task<CatalogueEntry?> SetTrafficAsync(EndpointId endpoint, ImmutableArray<TrafficShare> traffic, DateTimeOffset now, CancellationToken cancellationToken) =>
        ChangeTraffic(endpoint, traffic, e => CanaryFlow.TrafficSet(e, traffic, "the traffic was changed", now));

    public Task<CatalogueEntry?> BeginHandoverAsync(EndpointId endpoint, ImmutableArray<TrafficShare> traffic, HandoverPolicy policy, DateTimeOffset now, CancellationToken cancellationToken) =>
        _revisions.ContainsKey(endpoint) && HandoverRules.Refusal(Get(endpoint)) is { } refusal
            ? throw new ArgumentException(refusal, nameof(traffic))
            : ChangeTraffic(endpoint, traffic, e => HandoverFlow.Begin(e, traffic, policy, now));

    public async Task<CatalogueEntry?> ApplyHandoverAsync(EndpointId endpoint, HandoverDecision decision, DateTimeOffset now, CancellationToken cancellationToken) =>
        await Change(endpoint, e => HandoverFlow.Apply(e, decision, now)) is null ? null : Entry(endpoint, 0);

    private Task<CatalogueEntry?> ChangeTraffic(EndpointId endpoint, ImmutableArray<TrafficShare> traffic, Func<Endpoint, Endpoint> change)
    {
        if (!_revisions.TryGetValue(endpoint, out var revisions))
        {
            return Task.FromResult<CatalogueEntry?>(null);
        }

        var isAllowed = traffic.IsEmpty || (traffic.All(s => s.Weight is >= 1 and <= 100) && traffic.Sum(s => s.Weight) == 100);
        var areReady = traffic.All(s => revisions.Any(r => r.Id.Number == s.Revision && r.State == RevisionState.Ready));
        if (!isAllowed || !areReady || traffic.Select(s => s.Revision).Distinct().Count() != traffic.Length)
        {
            throw new ArgumentException("Not allowed.", nameof(traffic));
        }

        Put(change(Get(endpoint)));
        return Task.FromResult<CatalogueEntry?>(Entry(endpoint, 0));
    }

    public Task<CatalogueEntry?> SetTagAsync(EndpointId endpoint, string tag, int? revision, CancellationToken cancellationToken)
    {
        if (!_revisions.TryGetValue(endpoint, out var revisions))
        {
            return Task.FromResult<CatalogueEntry?>(null);
        }

        if (revision is not null && (revisions.All(r => r.Id.Number != revision || r.State != RevisionState.Ready) || TagRules.Full(Get(endpoint), tag) is not null))
        {
            throw new ArgumentException("Not allowed.", nameof(revision));
        }

        Put(revision is { } at ? TagRules.Set(Get(endpoint), tag, at) : TagRules.Delete(Get(endpoint), tag));
        return Task.FromResult<CatalogueEntry?>(Entry(endpoint, 0));
    }

    public async Task<CatalogueEntry?> SetMirrorAsync(EndpointId endpoint, Mirror? mirror, CancellationToken cancellationToken)
    {
        if (mirror is not null && _revisions.TryGetValue(endpoint, out var revisions) && revisions.All(r => r.Id.Number != mirror.Revision || r.State != RevisionState.Ready))
        {
            throw new ArgumentException("Not allowed.", nameof(mirror));
        }

        return await Change(endpoint, e => e with { Mirror = mirror }) is null ? null : Entry(endpoint, 0);
    }

    public async Task<CatalogueEntry?> ApplyCanaryAsync(RevisionId revision, CanaryDecision decision, DateTimeOffset now, CancellationToken cancellationToken) =>
        await Change(revision.Endpoint, e => CanaryFlow.Apply(e, revision.Number, decision, now)) is null ? null : Entry(revision.Endpoint, 0);

    public Task<Endpoint?> SetUnloadedAsync(EndpointId endpoint, bool isUnloaded, DateTimeOffset now, CancellationToken cancellationToken) =>
        Change(endpoint, e => CanaryFlow.Unloaded(e, isUnloaded, now));

    public Task<Endpoint?> SetPublicAsync(EndpointId endpoint, bool isPublic, CancellationToken cancellationToken) =>
        Change(endpoint, e => e with { IsPublic = isPublic });

    public Task<bool> DeleteAsync(EndpointId endpoint, CancellationToken cancellationToken)
    {
        _revisions.Remove(endpoint);
        return Task.FromResult(_endpoints.Remove(endpoint.ToString()));
    }

    public Task<ImmutableArray<Revision>> UnverifiedAsync(CancellationToken cancellationToken) =>
        Task.FromResult<ImmutableArray<Revision>>([.. _endpoints.Values.SelectMany(e => _revisions[e.Id]).Where(r => r.State == RevisionState.Verifying)]);

    private Task<Endpoint?> Change(EndpointId id, Func<Endpoint, Endpoint> change)
    {
        if (_revisions.ContainsKey(id))
        {
            Put(change(Get(id)));
        }

        return Task.FromResult(_endpoints.GetValueOrDefault(id.ToString()));
    }

    private CatalogueEntry Entry(EndpointId id, int changed)
    {
        var endpoint = Get(id);
        var newest = _revisions[id].Count;
        return new CatalogueEntry(
            endpoint,
            [.. _revisions[id].Where(r => r.Id.Number == changed || endpoint.Traffic.Any(s => s.Revision == r.Id.Number) || HandoverFlow.Revisions(endpoint).Contains(r.Id.Number) || (endpoint.Traffic.IsEmpty && r.Id.Number == newest))]);
    }

    private Endpoint Get(EndpointId id) => _endpoints[id.ToString()];

    private void Put(Endpoint endpoint) => _endpoints[endpoint.Id.ToString()] = endpoint;
}
