using System.Text.Json;
using System.Text.Json.Serialization;
using Dormouse.Core.Rollouts;

namespace Dormouse.Storage.Sql;

/// <summary>A mirror as it is stored, with settable members for the same reason as <see cref="StoredSpec"/>.</summary>
internal sealed class StoredMirror
{
    public int SchemaVersion { get; set; } = 1;

    public int Revision { get; set; }

    public int Percent { get; set; }

    public double Tolerance { get; set; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(StoredMirror))]
internal sealed partial class StoredMirrorJson : JsonSerializerContext;

/// <summary>Mirrors to and from their column.</summary>
internal static class MirrorJson
{
    public static string? Write(Mirror? mirror) => mirror is null ? null : JsonSerializer.Serialize(
        new StoredMirror { Revision = mirror.Revision, Percent = mirror.Percent, Tolerance = mirror.Tolerance }, StoredMirrorJson.Default.StoredMirror);

    public static Mirror Read(string json)
    {
        var stored = JsonSerializer.Deserialize(json, StoredMirrorJson.Default.StoredMirror) ?? throw new InvalidDataException("A stored mirror is the JSON word null.");
        return new Mirror(stored.Revision, stored.Percent, stored.Tolerance);
    }
}
