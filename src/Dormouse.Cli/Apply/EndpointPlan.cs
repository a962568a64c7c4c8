using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Cli.Deploy;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Apply;

/// <summary>What has to be done so that one endpoint is as the file wants it. Empty = nothing.</summary>
/// <param name="Deploys">Versions that become revisions, in order.</param>
/// <param name="Traffic">Traffic to set afterwards; null = leave it.</param>
/// <param name="Public">Access to set without a new revision; null = leave it.</param>
/// <param name="Differences">For people, one line each.</param>
internal sealed record EndpointPlan(
    WantedEndpoint Wanted, bool IsNew, ImmutableArray<HashedVersion> Deploys, ImmutableSortedDictionary<string, int>? Traffic, bool? Public, ImmutableArray<string> Differences)
{
    public bool IsNothing => Differences.IsEmpty;

    /// <summary>The endpoint refuses calls until it is loaded, which the wanted state does not speak of.</summary>
    public bool IsUnloaded { get; private init; }

    /// <summary>Revision that is to get <see cref="WantedEndpoint.Tag"/> without a new one; null = leave it.</summary>
    public string? Tag { get; private init; }

    /// <summary>Mirror to set or end afterwards; null = leave it.</summary>
    public WantedMirror? Mirror { get; private init; }

    /// <summary>Where outcomes are to go afterwards; null = leave it.</summary>
    public DestinationsRequest? Destinations { get; private init; }

    /// <summary>Wanted revisions that neither exist nor are made by this plan, with the key that names them.</summary>
    public ImmutableArray<(string Key, string Revision, string Sentence)> RevisionFaults { get; private init; } = [];

    /// <param name="versions">The source's versions, hashed, ascending.</param>
    /// <param name="packageSignature">Canonical signature of the newest version's own signature.yaml, or null.</param>
    /// <param name="actual">The endpoint as it is; null = there is none.</param>
    public static EndpointPlan Make(WantedEndpoint wanted, ImmutableArray<HashedVersion> versions, string? packageSignature, EndpointInfo? actual)
    {
        var plan = Changes(wanted, versions, packageSignature, actual);
        var mirror = MirrorDifference(wanted.Mirror, actual?.Mirror);
        var goals = GoalDifferences(wanted, actual);
        ImmutableArray<string> added = [.. mirror is null ? [] : new[] { mirror }, .. goals];
        return plan with
        {
            Mirror = mirror is null ? null : wanted.Mirror,
            Destinations = goals.IsEmpty ? null : new DestinationsRequest { OnSuccess = wanted.OnSuccess ?? actual?.OnSuccess, OnFailure = wanted.OnFailure ?? actual?.OnFailure },
            Differences = plan.IsNew ? plan.Differences : plan.Differences.AddRange(added),
            RevisionFaults = Faults(plan, actual?.Revisions ?? []),
            IsUnloaded = actual?.Status == "unloaded",
        };
    }

    private static ImmutableArray<(string, string, string)> Faults(EndpointPlan plan, ImmutableArray<RevisionInfo> revisions)
    {
        var newest = revisions.Select(r => r.Number).DefaultIfEmpty(0).Max();
        var faults = ImmutableArray.CreateBuilder<(string, string, string)>();
        var traffic = (plan.Wanted.Traffic?.Keys ?? []).Select(name => (Key: "traffic", Name: name));
        var mirror = plan.Wanted.Mirror?.To?.Revision is { } copied ? [(Key: "mirror", Name: copied)] : Array.Empty<(string Key, string Name)>();
        foreach (var (key, name) in traffic.Concat(mirror))
        {
            var revision = revisions.FirstOrDefault(r => r.Name == name);
            if (revision?.State == "failed")
            {
                faults.Add((key, name, $"This revision failed verifying and cannot {(key == "mirror" ? "be mirrored to" : "carry traffic")}."));
            }
            else if (revision is null && (!TrafficRules.TryParseRevision(name, out var number) || number <= newest || number > newest + plan.Deploys.Length))
            {
                var known = revisions.OrderByDescending(r => r.Number).Take(5).Select(r => r.Name).ToArray();
                faults.Add((key, name, $"There is no such revision{(known.Length == 0 ? "; the endpoint is new" : "; the newest are " + string.Join(", ", known))}."));
            }
        }

        return faults.ToImmutable();
    }

    private static EndpointPlan Changes(WantedEndpoint wanted, ImmutableArray<HashedVersion> versions, string? packageSignature, EndpointInfo? actual)
    {
        var current = actual?.Revisions.Where(r => r.State != "failed").MaxBy(r => r.Number);
        if (actual is null || current is null)
        {
            return new EndpointPlan(wanted, actual is null, versions, wanted.Traffic, null, [actual is null ? "new endpoint" : "no revision that can serve"]);
        }

        var differences = ImmutableArray.CreateBuilder<string>();
        differences.AddRange(SettingsComparison.Differences(wanted.Settings, wanted.Settings.Signature ?? packageSignature, current.Settings));
        differences.AddRange(FileDifferences(versions[^1].Package, current.Files));
        if (differences.Count > 0)
        {
            // Older versions that some revision holds already are not made again.
            var known = actual.Revisions.Where(r => r.State != "failed").Select(r => r.Files).ToArray();
            var missing = versions.Where((v, i) => i == versions.Length - 1 || !known.Any(k => FileDifferences(v.Package, k).IsEmpty)).ToImmutableArray();
            differences.AddRange(AccessDifference(wanted, actual));
            return new EndpointPlan(wanted, false, missing, wanted.Traffic, null, differences.ToImmutable());
        }

        // A file without traffic wants its model to serve: all to the newest revision (after a rollback it is not).
        var traffic = wanted.Traffic ?? ImmutableSortedDictionary<string, int>.Empty.Add(current.Name, 100);
        // What a canary of the newest revision does to the traffic, or has decided, stands until the file says otherwise.
        var isLeftToCanary = wanted.Traffic is null && actual.Canary is { State: "waiting" or "running" or "rolled_back" } canary && canary.Revision == current.Name;
        // The same of a handover to that traffic.
        var isLeftToHandover = actual.Handover is { State: "waiting" or "warming" or "failed" } handover && handover.Traffic.SequenceEqual(traffic);
        var isTraffic = !isLeftToCanary && !isLeftToHandover && current.State != "verifying" && !traffic.SequenceEqual(actual.Traffic);
        var access = AccessDifference(wanted, actual);
        var tagged = wanted.Tag is { } tag ? actual.Tags?.GetValueOrDefault(tag) : null;
        var isTag = wanted.Tag is not null && current.State != "verifying" && tagged != current.Name;
        return new EndpointPlan(
            wanted, false, [], isTraffic ? traffic : null, access.IsEmpty ? null : wanted.Settings.Public,
            [
                .. access, .. isTraffic ? [$"traffic: {Words(actual.Traffic)} → {Words(traffic)}"] : ImmutableArray<string>.Empty,
                .. isTag ? [$"tag {wanted.Tag}: {tagged ?? "none"} → {current.Name}"] : ImmutableArray<string>.Empty,
            ])
        {
            Tag = isTag ? current.Name : null,
        };
    }

    private static ImmutableArray<string> AccessDifference(WantedEndpoint wanted, EndpointInfo actual) =>
        wanted.Settings.Public is { } isPublic && isPublic != actual.Public ? [$"public: {Word(actual.Public)} → {Word(isPublic)}"] : [];

    /// <summary>Null when all is as wanted, or nothing is said of it.</summary>
    private static string? MirrorDifference(WantedMirror? wanted, MirrorInfo? actual)
    {
        var isEqual = wanted is null || (wanted.To is null ? actual is null
            : actual is not null && wanted.To.Revision == actual.Revision && wanted.To.Percent == actual.Percent && wanted.To.Tolerance == actual.Tolerance);
        return isEqual ? null
            : $"mirror: {(actual is null ? "none" : MirrorWords(actual.Percent, actual.Revision, actual.Tolerance))} → "
                + (wanted?.To is { } to ? MirrorWords(to.Percent, to.Revision, to.Tolerance) : "none");
    }

    private static ImmutableArray<string> GoalDifferences(WantedEndpoint wanted, EndpointInfo? actual)
    {
        var lines = ImmutableArray.CreateBuilder<string>();
        foreach (var (key, to, from) in new[] { ("on_success", wanted.OnSuccess, actual?.OnSuccess), ("on_failure", wanted.OnFailure, actual?.OnFailure) })
        {
            if (to is not null && to != (from ?? "none"))
            {
                lines.Add($"{key}: {from ?? "none"} → {to}");
            }
        }

        return lines.ToImmutable();
    }

    private static string MirrorWords(int percent, string? revision, double? tolerance) =>
        string.Create(CultureInfo.InvariantCulture, $"{percent} % to {revision} (tolerance {tolerance})");

    private static ImmutableArray<string> FileDifferences(ImmutableArray<PackageFileInfo> wanted, ImmutableArray<PackageFileInfo> actual)
    {
        var before = actual.ToDictionary(f => f.Path, f => f.Sha256, StringComparer.Ordinal);
        var after = wanted.ToDictionary(f => f.Path, f => f.Sha256, StringComparer.Ordinal);
        return
        [
            .. before.Keys.Union(after.Keys).Order(StringComparer.Ordinal)
                .Where(p => before.GetValueOrDefault(p) != after.GetValueOrDefault(p))
                .Select(p => $"{p}: {Short(before.GetValueOrDefault(p))} → {Short(after.GetValueOrDefault(p))}"),
        ];
    }

    private static string Short(string? hash) => hash?[..12] ?? "no file";

    private static string Word(bool value) => value ? "true" : "false";

    private static string Words(ImmutableSortedDictionary<string, int> traffic) =>
        traffic.Count == 0 ? "none" : string.Join(' ', traffic.Select(t => $"{t.Key}={t.Value}"));
}
