using System.Collections.Immutable;
using System.Data.Common;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;

namespace Dormouse.Storage.Sql;

/// <summary>Reads joined rows of endpoint, revision and file into entries, one row a file; equal texts of neighbours become one string, equal specs one object.</summary>
internal sealed class CatalogueRows
{
    public const string EndpointColumns = "e.id, e.tenant_id, e.name, e.is_public, e.is_unloaded, e.traffic, e.previous_traffic, e.created_at, e.canary, e.tags, e.mirror, e.handover";

    public const string RevisionColumns =
        "r.endpoint_id, r.number, r.tenant_id, r.state, r.spec, r.interface, r.failure, r.created_at, r.load_us, f.path, f.hash, f.size_bytes, f.position";

    private const int EndpointWidth = 12;

    /// <summary>Most texts remembered: thousands of endpoints usually share a few specs and models.</summary>
    private const int SharedMax = 256;

    private readonly Dictionary<string, RevisionSpec> _specs = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _texts = new(StringComparer.Ordinal);

    public static Endpoint Endpoint(DbDataReader row) => new CatalogueRows().EndpointOf(row);

    /// <summary>Rows of <see cref="EndpointColumns"/> then <see cref="RevisionColumns"/>, grouped by endpoint and revision.</summary>
    public IEnumerable<CatalogueEntry> Entries(DbDataReader reader)
    {
        var hasRow = reader.Read();
        while (hasRow)
        {
            var endpoint = EndpointOf(reader);
            var revisions = ImmutableArray.CreateBuilder<Revision>(1);
            do
            {
                revisions.Add(RevisionOf(reader, EndpointWidth, out hasRow));
            }
            while (hasRow && reader.Id(0) == endpoint.Id.Value);

            yield return new CatalogueEntry(endpoint, revisions.ToImmutable());
        }
    }

    /// <summary>Rows of <see cref="RevisionColumns"/>, grouped by revision.</summary>
    public IEnumerable<Revision> Revisions(DbDataReader reader)
    {
        var hasRow = reader.Read();
        while (hasRow)
        {
            yield return RevisionOf(reader, 0, out hasRow);
        }
    }

    private Endpoint EndpointOf(DbDataReader row) => new()
    {
        Id = new EndpointId(row.Id(0)),
        Tenant = new TenantId(Shared(row.GetString(1))),
        Name = row.GetString(2),
        IsPublic = row.Flag(3),
        IsUnloaded = row.Flag(4),
        Traffic = TrafficText.Read(row.GetString(5)),
        PreviousTraffic = TrafficText.Read(row.GetString(6)),
        CreatedAt = row.Time(7),
        Canary = row.Text(8) is { } canary ? CanaryJson.Read(canary) : null,
        Tags = TagText.Read(row.GetString(9)),
        Mirror = row.Text(10) is { } mirror ? MirrorJson.Read(mirror) : null,
        Handover = row.Text(11) is { } handover ? HandoverJson.Read(handover) : null,
    };

    /// <summary>Reads from the current row on until a file is the first of its revision, and stands on that one.</summary>
    private Revision RevisionOf(DbDataReader reader, int first, out bool hasRow)
    {
        var id = new RevisionId(new EndpointId(reader.Id(first)), reader.GetInt32(first + 1));
        var revision = new Revision
        {
            Id = id,
            Tenant = new TenantId(Shared(reader.GetString(first + 2))),
            State = Codes.RevisionStates.Value(reader.GetString(first + 3)),
            Spec = SpecOf(reader.GetString(first + 4)),
            Interface = reader.Text(first + 5) is { } text ? Shared(text) : null,
            Failure = reader.Text(first + 6),
            CreatedAt = reader.Time(first + 7),
            LoadTime = reader.IsDBNull(first + 8) ? null : TimeSpan.FromMicroseconds(reader.GetInt64(first + 8)),
            Package = new Package([]),
        };
        var files = ImmutableArray.CreateBuilder<PackageFile>(1);
        do
        {
            var file = reader.File(first + 9);
            files.Add(file with { Path = Shared(file.Path) });
            hasRow = reader.Read();
        }
        while (hasRow && reader.GetInt32(first + 12) > 0);

        return revision with { Package = new Package(files.ToImmutable()) };
    }

    private RevisionSpec SpecOf(string json)
    {
        if (_specs.TryGetValue(json, out var known))
        {
            return known;
        }

        var spec = SpecJson.Read(json);
        if (_specs.Count < SharedMax)
        {
            _specs.Add(json, spec);
        }

        return spec;
    }

    private string Shared(string text)
    {
        if (_texts.TryGetValue(text, out var known))
        {
            return known;
        }

        if (_texts.Count < SharedMax)
        {
            _texts.Add(text, text);
        }

        return text;
    }
}
