using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;
using Dormouse.Core.Sharing;

namespace Dormouse.Storage.Sql;

/// <summary>Endpoints and revisions in the database. Decisions that need what is stored (numbers, traffic) are taken inside the writer's transaction.</summary>
internal sealed class SqlCatalogue(SqlWriter writer, SqlReaders readers) : ICatalogue
{
    /// <summary>The index of routed revisions has the order asked for, so nothing is sorted and the first entry comes at once.</summary>
    internal const string ReadAllQuery = EntryQuery
        + " JOIN revisions r ON r.endpoint_id = e.id AND r.is_routed = 1"
        + FileJoin
        + " ORDER BY r.endpoint_id, r.number, f.position";

    private const string EntryQuery = $"SELECT {CatalogueRows.EndpointColumns}, {CatalogueRows.RevisionColumns} FROM endpoints e";
    private const string FileJoin = " JOIN revision_files f ON f.endpoint_id = r.endpoint_id AND f.number = r.number";
    private const string RevisionQuery = $"SELECT {CatalogueRows.RevisionColumns} FROM revisions r{FileJoin}";

    public async IAsyncEnumerable<CatalogueEntry> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var lease = await readers.TakeAsync(cancellationToken);
        using var reader = lease.Session.Read(ReadAllQuery);
        foreach (var entry in new CatalogueRows().Entries(reader))
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return entry;
        }
    }

    public Task<Endpoint?> FindAsync(TenantId tenant, string name, CancellationToken cancellationToken) =>
        readers.ReadAsync(s => FindByName(s, tenant, name), cancellationToken);

    public Task<CatalogueEntry?> FindEntryAsync(EndpointId endpoint, int revision, CancellationToken cancellationToken) =>
        readers.ReadAsync(s => FindEntry(s, endpoint, revision), cancellationToken);

    public Task<ImmutableArray<Endpoint>> ListAsync(TenantId tenant, CancellationToken cancellationToken) =>
        readers.ReadAsync<ImmutableArray<Endpoint>>(
            s => [.. s.All($"SELECT {CatalogueRows.EndpointColumns} FROM endpoints e WHERE e.tenant_id = $tenant ORDER BY e.name", CatalogueRows.Endpoint, ("$tenant", tenant.Value))],
            cancellationToken);

    public Task<ImmutableArray<Endpoint>> PageAsync(TenantId tenant, string? after, int count, CancellationToken cancellationToken) =>
        readers.ReadAsync<ImmutableArray<Endpoint>>(
            s =>
            [
                // No name is empty, so an empty one stands before the first.
                .. s.All(
                    $"SELECT {CatalogueRows.EndpointColumns} FROM endpoints e WHERE e.tenant_id = $tenant AND e.name > $after ORDER BY e.name LIMIT $count",
                    CatalogueRows.Endpoint,
                    ("$tenant", tenant.Value),
                    ("$after", after ?? ""),
                    ("$count", count)),
            ],
            cancellationToken);

    public Task<ImmutableArray<Revision>> RevisionsAsync(EndpointId endpoint, CancellationToken cancellationToken) =>
        readers.ReadAsync<ImmutableArray<Revision>>(
            s =>
            {
                using var reader = s.Read(RevisionQuery + " WHERE r.endpoint_id = $endpoint ORDER BY r.number DESC, f.position", ("$endpoint", endpoint.Value));
                return [.. new CatalogueRows().Revisions(reader)];
            },
            cancellationToken);

    public Task<Revision?> FindRevisionAsync(RevisionId id, CancellationToken cancellationToken) =>
        readers.ReadAsync(
            s =>
            {
                using var reader = s.Read(
                    RevisionQuery + " WHERE r.endpoint_id = $endpoint AND r.number = $number ORDER BY f.position",
                    ("$endpoint", id.Endpoint.Value),
                    ("$number", id.Number));
                return new CatalogueRows().Revisions(reader).FirstOrDefault();
            },
            cancellationToken);

    public Task<CatalogueEntry> AddRevisionAsync(NewRevision revision, EndpointId newEndpointId, DateTimeOffset now, CancellationToken cancellationToken) =>
        writer.RunAsync(s => Told(s, CatalogueChanges.Add(s, revision, newEndpointId, now))!, cancellationToken); // It is never null.

    public Task<CatalogueEntry?> CompleteRevisionAsync(
        RevisionId id, RevisionState state, ModelLoad? load, string? failure, bool giveTraffic, DateTimeOffset now, CancellationToken cancellationToken) =>
        writer.RunAsync(s => Told(s, CatalogueChanges.Complete(s, id, state, load, failure, giveTraffic, now)), cancellationToken);

    public Task<CatalogueEntry?> SetTrafficAsync(EndpointId endpoint, ImmutableArray<TrafficShare> traffic, DateTimeOffset now, CancellationToken cancellationToken) =>
        writer.RunAsync(s => Told(s, CatalogueChanges.SetTraffic(s, endpoint, traffic, now)), cancellationToken);

    public Task<CatalogueEntry?> SetTagAsync(EndpointId endpoint, string tag, int? revision, CancellationToken cancellationToken) =>
        writer.RunAsync(s => Told(s, CatalogueChanges.SetTag(s, endpoint, tag, revision)), cancellationToken);

    public Task<CatalogueEntry?> SetMirrorAsync(EndpointId endpoint, Mirror? mirror, CancellationToken cancellationToken) =>
        writer.RunAsync(s => Told(s, CatalogueChanges.SetMirror(s, endpoint, mirror)), cancellationToken);

    public Task<CatalogueEntry?> ApplyCanaryAsync(RevisionId revision, CanaryDecision decision, DateTimeOffset now, CancellationToken cancellationToken) =>
        writer.RunAsync(
            s => Told(s, CatalogueChanges.Change(s, revision.Endpoint, e => CanaryFlow.Apply(e, revision.Number, decision, now))),
            cancellationToken);

    public Task<CatalogueEntry?> BeginHandoverAsync(EndpointId endpoint, ImmutableArray<TrafficShare> traffic, HandoverPolicy policy, DateTimeOffset now, CancellationToken cancellationToken) =>
        writer.RunAsync(s => Told(s, CatalogueChanges.BeginHandover(s, endpoint, traffic, policy, now)), cancellationToken);

    public Task<CatalogueEntry?> ApplyHandoverAsync(EndpointId endpoint, HandoverDecision decision, DateTimeOffset now, CancellationToken cancellationToken) =>
        writer.RunAsync(s => Told(s, CatalogueChanges.Change(s, endpoint, e => HandoverFlow.Apply(e, decision, now))), cancellationToken);

    public Task<Endpoint?> SetUnloadedAsync(EndpointId endpoint, bool isUnloaded, DateTimeOffset now, CancellationToken cancellationToken) =>
        writer.RunAsync(s => Told(s, CatalogueChanges.Change(s, endpoint, e => CanaryFlow.Unloaded(e, isUnloaded, now)))?.Endpoint, cancellationToken);

    public Task<Endpoint?> SetPublicAsync(EndpointId endpoint, bool isPublic, CancellationToken cancellationToken) =>
        writer.RunAsync(
            s =>
            {
                s.Execute("UPDATE endpoints SET is_public = $flag WHERE id = $id", ("$flag", isPublic ? 1 : 0), ("$id", endpoint.Value));
                Tell(s, endpoint);
                return FindById(s, endpoint);
            },
            cancellationToken);

    public Task<bool> DeleteAsync(EndpointId endpoint, CancellationToken cancellationToken) =>
        writer.RunAsync(
            s =>
            {
                Tell(s, endpoint);
                s.Execute("DELETE FROM destination_uses WHERE endpoint_id = $id", ("$id", endpoint.Value));
                return s.Execute("DELETE FROM endpoints WHERE id = $id", ("$id", endpoint.Value)) > 0;
            },
            cancellationToken);

    public Task<ImmutableArray<Revision>> UnverifiedAsync(CancellationToken cancellationToken) =>
        readers.ReadAsync<ImmutableArray<Revision>>(
            s =>
            {
                // The state is written out: an index of only these rows is not considered for a parameter.
                using var reader = s.Read(RevisionQuery + " WHERE r.state = 'verifying' ORDER BY r.endpoint_id, r.number, f.position");
                return [.. new CatalogueRows().Revisions(reader)];
            },
            cancellationToken);

    private static CatalogueEntry? Told(SqlSession session, CatalogueEntry? changed)
    {
        if (changed is not null)
        {
            Tell(session, changed.Endpoint.Id);
        }

        return changed;
    }

    private static void Tell(SqlSession session, EndpointId endpoint) => session.Tell(SharedKind.Endpoint, endpoint.ToString());

    /// <summary>Null when there is no such endpoint.</summary>
    internal static Endpoint? FindById(SqlSession session, EndpointId id) =>
        session.First($"SELECT {CatalogueRows.EndpointColumns} FROM endpoints e WHERE e.id = $id", CatalogueRows.Endpoint, ("$id", id.Value));

    internal static Endpoint? FindByName(SqlSession session, TenantId tenant, string name) =>
        session.First(
            $"SELECT {CatalogueRows.EndpointColumns} FROM endpoints e WHERE e.tenant_id = $tenant AND e.name = $name",
            CatalogueRows.Endpoint,
            ("$tenant", tenant.Value),
            ("$name", name));

    /// <summary>The endpoint with the revisions that routing needs and the one that a change was about.</summary>
    internal static CatalogueEntry? FindEntry(SqlSession session, EndpointId id, int changed)
    {
        const string Sql = EntryQuery
            + " JOIN revisions r ON r.endpoint_id = e.id"
            + FileJoin
            + " WHERE e.id = $id AND (r.is_routed = 1 OR r.number = $changed) ORDER BY r.number, f.position";
        using var reader = session.Read(Sql, ("$id", id.Value), ("$changed", changed));

        // Read to the end: the enumerator stops behind the endpoint's last row.
        return new CatalogueRows().Entries(reader).SingleOrDefault();
    }
}
