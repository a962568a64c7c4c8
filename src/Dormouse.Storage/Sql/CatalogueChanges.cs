using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;

namespace Dormouse.Storage.Sql;

/// <summary>What a deploy and a change of traffic do to the tables; each runs inside one transaction of the writer.</summary>
internal static class CatalogueChanges
{
    public static CatalogueEntry Add(SqlSession session, NewRevision revision, EndpointId newEndpointId, DateTimeOffset now)
    {
        if (revision.Package.Files.IsDefaultOrEmpty)
        {
            throw new ArgumentException("A revision needs at least one file.", nameof(revision));
        }

        var endpoint = SqlCatalogue.FindByName(session, revision.Tenant, revision.EndpointName);
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
            endpoint = new Endpoint { Tenant = revision.Tenant, Id = newEndpointId, Name = revision.EndpointName, IsPublic = revision.IsPublic ?? false, CreatedAt = now };
            AddEndpoint(session, endpoint);
        }
        else if (revision.IsPublic is { } isPublic && isPublic != endpoint.IsPublic)
        {
            session.Execute("UPDATE endpoints SET is_public = $public WHERE id = $id", ("$public", isPublic ? 1 : 0), ("$id", endpoint.Id.Value));
        }

        var id = endpoint.Id.Value;
        var number = (int)session.Number("SELECT COALESCE(MAX(number), 0) + 1 FROM revisions WHERE endpoint_id = $id", ("$id", id));
        AddRow(session, new RevisionId(endpoint.Id, number), revision, now);
        AddFiles(session, new RevisionId(endpoint.Id, number), revision);
        Route(session, endpoint);
        var after = revision.Canary is { } canary ? endpoint with { Canary = new Canary { Revision = number, Policy = canary, State = CanaryState.Waiting } } : endpoint;
        Save(session, endpoint, revision.Handover is { } handover ? HandoverFlow.Wait(after, number, handover) : after);

        return Entry(session, endpoint.Id, number);
    }

    public static CatalogueEntry? Complete(SqlSession session, RevisionId id, RevisionState state, ModelLoad? load, string? failure, bool giveTraffic, DateTimeOffset now)
    {
        var changed = session.Execute(
            """
            UPDATE revisions SET state = $state, interface = COALESCE($interface, interface), load_us = COALESCE($load, load_us), failure = $failure
            WHERE endpoint_id = $endpoint AND number = $number
            """,
            ("$state", Codes.RevisionStates.Text(state)),
            ("$interface", load?.Interface),
            ("$load", (long?)load?.Time.TotalMicroseconds),
            ("$failure", failure),
            ("$endpoint", id.Endpoint.Value),
            ("$number", id.Number));
        if (changed == 0 || SqlCatalogue.FindById(session, id.Endpoint) is not { } endpoint)
        {
            return null;
        }

        Save(session, endpoint, DebutOf(session, id).Completed(endpoint, id.Number, state, giveTraffic, now));
        return Entry(session, id.Endpoint, id.Number);
    }

    public static CatalogueEntry? SetTag(SqlSession session, EndpointId id, string tag, int? revision)
    {
        if (SqlCatalogue.FindById(session, id) is not { } endpoint)
        {
            return null;
        }

        if (revision is { } number && State(session, id, number) is not RevisionState.Ready)
        {
            throw new ArgumentException($"Revision r{number} of '{endpoint.Name}' cannot have a tag: it is missing or not ready.", nameof(revision));
        }

        if (revision is not null && TagRules.Full(endpoint, tag) is { } full)
        {
            throw new ArgumentException(full, nameof(tag));
        }

        Save(session, endpoint, revision is { } at ? TagRules.Set(endpoint, tag, at) : TagRules.Delete(endpoint, tag));
        return Entry(session, id, 0);
    }

    public static CatalogueEntry? SetTraffic(SqlSession session, EndpointId id, ImmutableArray<TrafficShare> traffic, DateTimeOffset now)
    {
        if (SqlCatalogue.FindById(session, id) is not { } endpoint)
        {
            return null;
        }

        Check(session, endpoint, traffic);
        Save(session, endpoint, CanaryFlow.TrafficSet(endpoint, traffic, "the traffic was changed", now));
        return Entry(session, id, 0);
    }

    public static CatalogueEntry? BeginHandover(SqlSession session, EndpointId id, ImmutableArray<TrafficShare> traffic, HandoverPolicy policy, DateTimeOffset now)
    {
        if (SqlCatalogue.FindById(session, id) is not { } endpoint)
        {
            return null;
        }

        if (HandoverRules.Refusal(endpoint) is { } refusal)
        {
            throw new ArgumentException(refusal, nameof(traffic));
        }

        Check(session, endpoint, traffic);
        Save(session, endpoint, HandoverFlow.Begin(endpoint, traffic, policy, now));
        return Entry(session, id, 0);
    }

    /// <exception cref="ArgumentException">It is no traffic that the endpoint can have.</exception>
    private static void Check(SqlSession session, Endpoint endpoint, ImmutableArray<TrafficShare> traffic)
    {
        if (!traffic.IsEmpty && (traffic.Any(s => s.Weight is < 1 or > 100) || traffic.Sum(s => s.Weight) != 100 || traffic.DistinctBy(s => s.Revision).Count() != traffic.Length))
        {
            throw new ArgumentException($"Traffic '{TrafficText.Write(traffic)}' is not allowed: weights are 1 to 100, sum to 100, and name each revision once.", nameof(traffic));
        }

        foreach (var share in traffic)
        {
            if (State(session, endpoint.Id, share.Revision) is not RevisionState.Ready)
            {
                throw new ArgumentException($"Revision r{share.Revision} of '{endpoint.Name}' cannot carry traffic: it is missing or not ready.", nameof(traffic));
            }
        }
    }

    public static CatalogueEntry? SetMirror(SqlSession session, EndpointId id, Mirror? mirror) =>
        mirror is null || State(session, id, mirror.Revision) is RevisionState.Ready || SqlCatalogue.FindById(session, id) is null
            ? Change(session, id, endpoint => endpoint with { Mirror = mirror })
            : throw new ArgumentException($"Revision r{mirror.Revision} cannot be mirrored to: it is missing or not ready.", nameof(mirror));

    /// <summary>Stores what a rule makes of the endpoint; null when it is gone.</summary>
    public static CatalogueEntry? Change(SqlSession session, EndpointId id, Func<Endpoint, Endpoint> rule)
    {
        if (SqlCatalogue.FindById(session, id) is not { } endpoint)
        {
            return null;
        }

        Save(session, endpoint, rule(endpoint));
        return Entry(session, id, 0);
    }

    private static Debut DebutOf(SqlSession session, RevisionId id) =>
        session.First(
            "SELECT tag, takes_traffic FROM revisions WHERE endpoint_id = $endpoint AND number = $number",
            r => new Debut(r.Text(0), r.Flag(1)),
            ("$endpoint", id.Endpoint.Value),
            ("$number", id.Number));

    private static RevisionState? State(SqlSession session, EndpointId id, int number) =>
        session.First(
            "SELECT state FROM revisions WHERE endpoint_id = $endpoint AND number = $number",
            r => (RevisionState?)Codes.RevisionStates.Value(r.GetString(0)),
            ("$endpoint", id.Value),
            ("$number", number));

    private static void AddEndpoint(SqlSession session, Endpoint endpoint)
    {
        session.Execute(
            "INSERT INTO endpoints (id, tenant_id, name, is_public, is_unloaded, traffic, previous_traffic, created_at) VALUES ($id, $tenant, $name, $public, 0, '', '', $created)",
            ("$id", endpoint.Id.Value),
            ("$tenant", endpoint.Tenant.Value),
            ("$name", endpoint.Name),
            ("$public", endpoint.IsPublic ? 1 : 0),
            ("$created", StoredTime.ToMicroseconds(endpoint.CreatedAt)));
        session.Execute(
            "INSERT INTO endpoint_names (endpoint_id, tenant_id, name) VALUES ($id, $tenant, $name)",
            ("$id", endpoint.Id.Value),
            ("$tenant", endpoint.Tenant.Value),
            ("$name", endpoint.Name));
    }

    private static void AddRow(SqlSession session, RevisionId id, NewRevision revision, DateTimeOffset now)
    {
        session.Execute(
            """
            INSERT INTO revisions (endpoint_id, number, tenant_id, state, spec, interface, is_routed, tag, takes_traffic, created_at)
            VALUES ($endpoint, $number, $tenant, $state, $spec, $interface, 0, $tag, $takes_traffic, $created)
            """,
            ("$endpoint", id.Endpoint.Value),
            ("$number", id.Number),
            ("$tenant", revision.Tenant.Value),
            ("$state", Codes.RevisionStates.Text(revision.State)),
            ("$spec", SpecJson.Write(revision.Spec)),
            ("$interface", revision.Interface),
            ("$tag", revision.Debut.Tag),
            ("$takes_traffic", revision.Debut.TakesTraffic ? 1 : 0),
            ("$created", StoredTime.ToMicroseconds(now)));
        if (revision.Spec.Overflow is { } overflow)
        {
            session.Execute(
                "INSERT INTO overflow_hosts (endpoint_id, number, host) VALUES ($endpoint, $number, $host)",
                ("$endpoint", id.Endpoint.Value),
                ("$number", id.Number),
                ("$host", overflow.Host));
        }
    }

    private static void AddFiles(SqlSession session, RevisionId id, NewRevision revision)
    {
        var files = revision.Package.Files;
        for (var position = 0; position < files.Length; position++)
        {
            session.Execute(
                """
                INSERT INTO revision_files (endpoint_id, number, position, tenant_id, path, hash, size_bytes)
                VALUES ($endpoint, $number, $position, $tenant, $path, $hash, $size)
                """,
                ("$endpoint", id.Endpoint.Value),
                ("$number", id.Number),
                ("$position", position),
                ("$tenant", revision.Tenant.Value),
                ("$path", files[position].Path),
                ("$hash", files[position].Hash.Value),
                ("$size", files[position].SizeBytes));
        }
    }

    /// <summary>Setting what is already set keeps the previous value, so that a repeated command does not take the way back.</summary>
    private static void Save(SqlSession session, Endpoint before, Endpoint after)
    {
        if (after == before)
        {
            return;
        }

        session.Execute(
            "UPDATE endpoints SET traffic = $traffic, previous_traffic = $previous, is_unloaded = $unloaded, canary = $canary, tags = $tags, mirror = $mirror, handover = $handover WHERE id = $id",
            ("$traffic", TrafficText.Write(after.Traffic)),
            ("$previous", TrafficText.Write(after.PreviousTraffic)),
            ("$unloaded", after.IsUnloaded ? 1 : 0),
            ("$canary", CanaryJson.Write(after.Canary)),
            ("$tags", TagText.Write(after.Tags)),
            ("$mirror", MirrorJson.Write(after.Mirror)),
            ("$handover", HandoverJson.Write(after.Handover)),
            ("$id", after.Id.Value));
        Route(session, after);
    }

    /// <summary>Marks the revisions that carry traffic, or the newest while none does, and those of which a handover keeps instances.</summary>
    private static void Route(SqlSession session, Endpoint endpoint)
    {
        var id = endpoint.Id.Value;
        session.Execute("UPDATE revisions SET is_routed = 0 WHERE endpoint_id = $id AND is_routed = 1", ("$id", id));
        foreach (var number in endpoint.Traffic.Select(s => s.Revision).Union(HandoverFlow.Revisions(endpoint)))
        {
            session.Execute("UPDATE revisions SET is_routed = 1 WHERE endpoint_id = $id AND number = $number", ("$id", id), ("$number", number));
        }

        if (endpoint.Traffic.IsEmpty)
        {
            session.Execute(
                "UPDATE revisions SET is_routed = 1 WHERE endpoint_id = $id AND number = (SELECT MAX(number) FROM revisions WHERE endpoint_id = $id)",
                ("$id", id));
        }
    }

    private static CatalogueEntry Entry(SqlSession session, EndpointId id, int changed) =>
        SqlCatalogue.FindEntry(session, id, changed) ?? throw new InvalidOperationException($"Endpoint {id} vanished within its own transaction.");
}
