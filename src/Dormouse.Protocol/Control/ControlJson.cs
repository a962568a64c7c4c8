using System.Text.Json.Serialization;

namespace Dormouse.Protocol.Control;

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(DeployRequest))]
[JsonSerializable(typeof(EndpointInfo))]
[JsonSerializable(typeof(EndpointList))]
[JsonSerializable(typeof(RevisionInfo))]
[JsonSerializable(typeof(RevisionList))]
[JsonSerializable(typeof(EndpointPatch))]
[JsonSerializable(typeof(TrafficRequest))]
[JsonSerializable(typeof(TagRequest))]
[JsonSerializable(typeof(MirrorRequest))]
[JsonSerializable(typeof(RollbackRequest))]
[JsonSerializable(typeof(BlobInfo))]
[JsonSerializable(typeof(ReceiptInfo))]
[JsonSerializable(typeof(ReceiptList))]
[JsonSerializable(typeof(ArrivalPage))]
[JsonSerializable(typeof(UsageReport))]
[JsonSerializable(typeof(CreateKeyRequest))]
[JsonSerializable(typeof(KeyInfo))]
[JsonSerializable(typeof(KeyList))]
[JsonSerializable(typeof(LogLine))]
[JsonSerializable(typeof(VersionInfo))]
[JsonSerializable(typeof(DoctorReport))]
[JsonSerializable(typeof(ServerAddresses))]
public sealed partial class ControlJson : JsonSerializerContext;
