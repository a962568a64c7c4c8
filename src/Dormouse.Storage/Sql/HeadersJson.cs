using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Dormouse.Storage.Sql;

[JsonSerializable(typeof(string[]))]
internal sealed partial class StoredHeadersJson : JsonSerializerContext;

/// <summary>HTTP headers as a JSON array of names and values in turn, in their order.</summary>
internal static class HeadersJson
{
    public static string Write(ImmutableArray<KeyValuePair<string, string>> headers)
    {
        var flat = new string[headers.Length * 2];
        for (var i = 0; i < headers.Length; i++)
        {
            (flat[2 * i], flat[(2 * i) + 1]) = (headers[i].Key, headers[i].Value);
        }

        return JsonSerializer.Serialize(flat, StoredHeadersJson.Default.StringArray);
    }

    public static ImmutableArray<KeyValuePair<string, string>> Read(string json)
    {
        var flat = JsonSerializer.Deserialize(json, StoredHeadersJson.Default.StringArray) ?? throw new InvalidDataException("Stored headers are the JSON word null.");
        var headers = ImmutableArray.CreateBuilder<KeyValuePair<string, string>>(flat.Length / 2);
        for (var i = 0; i + 1 < flat.Length; i += 2)
        {
            headers.Add(KeyValuePair.Create(flat[i], flat[i + 1]));
        }

        return headers.DrainToImmutable();
    }
}
