using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Secrets;
using Dormouse.Protocol.Control;
using Dormouse.Server.Control;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Routing;

namespace Dormouse.Server.Secrets;

/// <summary>Secrets as people see them: who uses them, and which instances have an older value.</summary>
internal sealed class SecretViews(ISecretStore store, RoutingTable routing, DispatchService dispatch)
{
    public SecretInfo Info(Secret secret) => new(secret.Name, secret.SetAt, secret.Fault) { UsedBy = UsedBy(secret.Tenant, secret.Name, secret.SetAt) };

    /// <summary>Revisions with traffic, and those that a handover keeps, that name it.</summary>
    public ImmutableArray<SecretUse> UsedBy(TenantId tenant, string name, DateTimeOffset setAt) =>
    [
        .. routing.List(tenant).SelectMany(route => route.Revisions.Concat(route.Standby)
            .Where(revision => SecretRules.NamesOf(revision.Spec).Contains(name))
            .Select(revision => new SecretUse(route.Endpoint.Name, RevisionViews.Name(revision.Id.Number), Older(revision.Id, setAt)))),
    ];

    /// <summary>Instances of an endpoint, each with the secrets that were set after it was started.</summary>
    public async Task<ImmutableArray<InstanceInfo>> WithOlderAsync(TenantId tenant, ImmutableArray<Revision> revisions, ImmutableArray<InstanceInfo> instances, CancellationToken cancellationToken)
    {
        if (instances.IsEmpty || revisions.All(r => SecretRules.NamesOf(r.Spec).IsEmpty))
        {
            return instances;
        }

        var setAt = (await store.ListAsync(tenant, cancellationToken)).ToDictionary(s => s.Name, s => s.SetAt, StringComparer.Ordinal);
        var named = revisions.ToDictionary(r => RevisionViews.Name(r.Id.Number), r => SecretRules.NamesOf(r.Spec));
        return
        [
            .. instances.Select(i => named.TryGetValue(i.Revision, out var names) && names.Where(n => setAt.GetValueOrDefault(n) > i.StartedAt).ToImmutableArray() is { IsEmpty: false } older
                ? i with { OlderSecrets = older }
                : i),
        ];
    }

    private int Older(RevisionId revision, DateTimeOffset setAt) =>
        dispatch.Samples(revision.Endpoint).Where(s => s.Revision == revision).SelectMany(s => s.Sample.Instances).Count(i => dispatch.WallTime(i.StartedAt) < setAt);
}
