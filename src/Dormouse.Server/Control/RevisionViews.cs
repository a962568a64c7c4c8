using System.Globalization;
using System.Text.Json;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Inference;

namespace Dormouse.Server.Control;

/// <summary>From the catalogue's revision to the API's.</summary>
internal static class RevisionViews
{
    public static string Name(int number) => "r" + number.ToString(CultureInfo.InvariantCulture);

    public static TemplateInfo? Template(TemplateReport? report) => report is { State: not TemplateState.Ended }
        ? new(
            report.State switch { TemplateState.Ready => "ready", TemplateState.Refused => "refused", _ => "starting" },
            report.State == TemplateState.Refused ? report.Reason : null,
            report.MemoryBytes > 0 ? report.MemoryBytes : null,
            report.Forks,
            report.Spares)
        : null;

    public static SnapshotInfo? Snapshot(SnapshotReport? report) => report is null
        ? null
        : new(
            report.State switch { SnapshotState.Kept => "kept", SnapshotState.Refused => "refused", SnapshotState.Waiting => "waiting", _ => "none" },
            report.Reason.Length > 0 ? report.Reason : null,
            report.SizeBytes > 0 ? report.SizeBytes : null,
            report.Compared.Length > 0 ? report.Compared : null,
            report.Restored,
            report.Failed);

    public static RevisionInfo Info(Revision revision, Endpoint endpoint, bool isOptimised) => new()
    {
        Name = Name(revision.Id.Number),
        Number = revision.Id.Number,
        State = Words.Of(revision.State),
        Failure = revision.Failure,
        Settings = SettingsViews.Settings(revision.Spec, endpoint.IsPublic),
        Files = [.. revision.Package.Files.Select(f => new PackageFileInfo(f.Path, f.Hash.Value, f.SizeBytes))],
        SizeBytes = revision.Package.SizeBytes,
        Interface = revision.Interface is null ? null : JsonSerializer.Deserialize(revision.Interface, ModelInterfaceJson.Default.ModelInterface),
        LoadMs = revision.LoadTime?.TotalMilliseconds,
        Pipeline = revision.Spec.Pipeline?.Text,
        PythonEnvironment = revision.Spec.PythonEnvironment?.Value,
        Optimised = isOptimised,
        Weight = endpoint.Traffic.FirstOrDefault(t => t.Revision == revision.Id.Number).Weight,
        CreatedAt = revision.CreatedAt,
    };
}
