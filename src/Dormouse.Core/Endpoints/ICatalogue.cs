using System.Collections.Immutable;
using Dormouse.Core.Rollouts;

namespace Dormouse.Core.Endpoints;

/// <summary>
/// Endpoints and revisions at rest. Each method is one durable transaction. Reads at start-up stream, so that 10,000 endpoints
/// do not need all revisions in memory twice.
/// </summary>
public interface ICatalogue
{
    /// <summary>Every endpoint with the revisions that carry traffic (or its newest one when none does) and those that a handover keeps instances of, in order of id.</summary>
    IAsyncEnumerable<CatalogueEntry> ReadAllAsync(CancellationToken cancellationToken);

    /// <summary>One endpoint by name, or null.</summary>
    Task<Endpoint?> FindAsync(TenantId tenant, string name, CancellationToken cancellationToken);

    /// <summary>One endpoint as <see cref="ReadAllAsync"/> gives it; null when it is gone.</summary>
    /// <param name="revision">The entry holds this one besides; 0 = none.</param>
    Task<CatalogueEntry?> FindEntryAsync(EndpointId endpoint, int revision, CancellationToken cancellationToken);

    /// <summary>Endpoints of a tenant in order of name.</summary>
    Task<ImmutableArray<Endpoint>> ListAsync(TenantId tenant, CancellationToken cancellationToken);

    /// <summary>At most <paramref name="count"/> endpoints of a tenant in order of name (ordinal), those behind the name <paramref name="after"/>; null = from the first on.</summary>
    Task<ImmutableArray<Endpoint>> PageAsync(TenantId tenant, string? after, int count, CancellationToken cancellationToken);

    /// <summary>All revisions of an endpoint, newest first.</summary>
    Task<ImmutableArray<Revision>> RevisionsAsync(EndpointId endpoint, CancellationToken cancellationToken);

    Task<Revision?> FindRevisionAsync(RevisionId id, CancellationToken cancellationToken);

    /// <summary>
    /// Adds a revision; creates the endpoint with <paramref name="newEndpointId"/> when the name is free. The number is the highest so far plus one,
    /// so deploys at once get numbers of their own. <see cref="NewRevision.IsPublic"/> null keeps what the endpoint has. Traffic stays as it is;
    /// the entry holds the new revision besides those that routing needs. With <see cref="NewRevision.Canary"/> the endpoint's canary waits for it.
    /// </summary>
    /// <exception cref="ArgumentException"><see cref="CanaryRules.Refusal"/> refuses the canary, or <see cref="HandoverRules.Refusal"/> the handover.</exception>
    Task<CatalogueEntry> AddRevisionAsync(NewRevision revision, EndpointId newEndpointId, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>
    /// Verifying ended: stores state, what loading showed, and failure. With <paramref name="giveTraffic"/> and success the revision gets all traffic,
    /// unless a higher number already has some (a slower, older deploy must not win); an endpoint's waiting canary for this revision gives it its share instead, and its
    /// <see cref="NewRevision.Debut"/> may give it none or a tag. A null <paramref name="load"/> keeps what is stored. Null when the revision is gone;
    /// the entry holds the revision besides those that routing needs.
    /// </summary>
    Task<CatalogueEntry?> CompleteRevisionAsync(RevisionId id, RevisionState state, ModelLoad? load, string? failure, bool giveTraffic, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>
    /// Replaces traffic; returns null when the endpoint is gone. Keeps the old value as <see cref="Endpoint.PreviousTraffic"/>, unless both are equal, and ends a canary that runs and a handover that warms or keeps.
    /// </summary>
    /// <exception cref="ArgumentException">Weights break their rule, or a revision is missing or not ready (also when it became so just now).</exception>
    Task<CatalogueEntry?> SetTrafficAsync(EndpointId endpoint, ImmutableArray<TrafficShare> traffic, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Puts a tag at a revision, or removes it; null when the endpoint is gone.</summary>
    /// <param name="revision">Null = the tag is removed; nothing happens when there is none.</param>
    /// <exception cref="ArgumentException">The revision is missing or not ready (also when it became so just now), or <see cref="TagRules.Full"/>.</exception>
    Task<CatalogueEntry?> SetTagAsync(EndpointId endpoint, string tag, int? revision, CancellationToken cancellationToken);

    /// <summary>Begins, changes or ends mirroring; null when the endpoint is gone.</summary>
    /// <param name="mirror">Null = it ends.</param>
    /// <exception cref="ArgumentException">Its revision is missing or not ready (also when it became so just now).</exception>
    Task<CatalogueEntry?> SetMirrorAsync(EndpointId endpoint, Mirror? mirror, CancellationToken cancellationToken);

    /// <summary><see cref="CanaryFlow.Apply"/>; null when the endpoint is gone.</summary>
    Task<CatalogueEntry?> ApplyCanaryAsync(RevisionId revision, CanaryDecision decision, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Begins a handover to this traffic, which stays as it is until the handover moves it; null when the endpoint is gone.</summary>
    /// <exception cref="ArgumentException">As for <see cref="SetTrafficAsync"/>, or <see cref="HandoverRules.Refusal"/>.</exception>
    Task<CatalogueEntry?> BeginHandoverAsync(EndpointId endpoint, ImmutableArray<TrafficShare> traffic, HandoverPolicy policy, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary><see cref="HandoverFlow.Apply"/>; null when the endpoint is gone.</summary>
    Task<CatalogueEntry?> ApplyHandoverAsync(EndpointId endpoint, HandoverDecision decision, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Unloading rolls a canary back that runs, and ends a handover.</summary>
    Task<Endpoint?> SetUnloadedAsync(EndpointId endpoint, bool isUnloaded, DateTimeOffset now, CancellationToken cancellationToken);

    Task<Endpoint?> SetPublicAsync(EndpointId endpoint, bool isPublic, CancellationToken cancellationToken);

    /// <summary>Removes the endpoint and its revisions; receipts stay. False when it was not there.</summary>
    Task<bool> DeleteAsync(EndpointId endpoint, CancellationToken cancellationToken);

    /// <summary>Revisions of every tenant whose verifying has not ended: after a crash they are verified again.</summary>
    Task<ImmutableArray<Revision>> UnverifiedAsync(CancellationToken cancellationToken);
}

/// <summary>An endpoint and those of its revisions that routing needs.</summary>
public sealed record CatalogueEntry(Endpoint Endpoint, ImmutableArray<Revision> Revisions);

public sealed record NewRevision
{
    public required TenantId Tenant { get; init; }

    public required string EndpointName { get; init; }

    public bool? IsPublic { get; init; }

    public required RevisionState State { get; init; }

    public required Packages.Package Package { get; init; }

    public required RevisionSpec Spec { get; init; }

    /// <summary>See <see cref="Revision.Interface"/>.</summary>
    public string? Interface { get; init; }

    /// <summary>It begins as a canary; null = it takes all traffic when it is ready.</summary>
    public CanaryPolicy? Canary { get; init; }

    /// <summary>It takes all traffic once it is warm; null = as soon as it is ready.</summary>
    public HandoverPolicy? Handover { get; init; }

    public Debut Debut { get; init; } = Debut.Usual;
}
