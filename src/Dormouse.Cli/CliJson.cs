using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dormouse.Cli.Drill;
using Dormouse.Cli.Simulation;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli;

/// <summary>Documents of <c>--output json</c> that are not the server's own.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(DeployDocument))]
[JsonSerializable(typeof(AppDocument))]
[JsonSerializable(typeof(InvokeDocument))]
[JsonSerializable(typeof(VersionDocument))]
[JsonSerializable(typeof(DoctorDocument))]
[JsonSerializable(typeof(DoneDocument))]
[JsonSerializable(typeof(RevisionsDocument))]
[JsonSerializable(typeof(TrafficRequest))]
[JsonSerializable(typeof(ChangesDocument))]
[JsonSerializable(typeof(QuickstartDocument))]
[JsonSerializable(typeof(ReplaysDocument))]
[JsonSerializable(typeof(DrillReport))]
[JsonSerializable(typeof(RecordDocument))]
[JsonSerializable(typeof(System.Text.Json.Nodes.JsonObject))]
[JsonSerializable(typeof(ComparisonDocument))]
[JsonSerializable(typeof(StorageDocument))]
[JsonSerializable(typeof(CompletionDocument))]
internal sealed partial class CliJson : JsonSerializerContext;

/// <param name="UploadedBytes">What had to be sent.</param>
internal sealed record DeployDocument(EndpointInfo Endpoint, ImmutableArray<RevisionInfo> Revisions, long UploadedBytes, long SizeBytes);

/// <summary>A deploy of Python code: one endpoint a function.</summary>
internal sealed record AppDocument(ImmutableArray<DeployDocument> Endpoints);

/// <param name="Answer">The body when it is JSON; text in <paramref name="Text"/>, anything else in <paramref name="Base64"/>.</param>
internal sealed record InvokeDocument(
    int Status, string? InvocationId, string? Start, string? Cause, string? ContentType, JsonElement? Answer, string? Text, string? Base64, ReceiptInfo? Receipt);

internal sealed record VersionDocument(string Client, VersionInfo? Server);

internal sealed record DoctorDocument(string Address, string AddressFrom, string KeyFrom, DoctorReport Server);

/// <param name="Store">The database and its version.</param>
/// <param name="Faults">What <c>check</c> found.</param>
internal sealed record StorageDocument(string Store, int Files, long FileBytes, long? Rows, IReadOnlyList<string>? Faults, string? KeyFile = null);

/// <param name="Done">What was done: "stopped", "loaded", "deleted", "revoked".</param>
internal sealed record DoneDocument(string Name, string Done);

internal sealed record RevisionsDocument(string Endpoint, ImmutableArray<RevisionInfo> Revisions);

internal sealed record ChangesDocument(ImmutableArray<ChangeDocument> Endpoints);

/// <param name="Actions">"create", "deploy", "traffic", "public"; empty = unchanged.</param>
/// <param name="Differences">One line each.</param>
internal sealed record ChangeDocument(string Name, ImmutableArray<string> Actions, ImmutableArray<string> Differences, string? Revision = null);

internal sealed record QuickstartDocument(string Url, string Key, ImmutableArray<QuickstartCallDocument> Calls);

internal sealed record QuickstartCallDocument(string Step, string Answer, ReceiptInfo Receipt);

/// <param name="Script">What the shell is to run.</param>
internal sealed record CompletionDocument(string Shell, string Script);
