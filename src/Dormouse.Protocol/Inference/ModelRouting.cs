using System.Text;

namespace Dormouse.Protocol.Inference;

/// <summary>What the gateway must know of a gRPC inference to route it.</summary>
/// <param name="Version">Empty = the server's choice.</param>
public readonly record struct ModelRoute(string Name, string Version);

/// <summary>Finds the model in the bytes of a <c>ModelInferRequest</c> without reading the rest of it.</summary>
public static class ModelRouting
{
    /// <summary>Steps over every field, because they come in any order and the last of a number counts; tensors are skipped by their
    /// length. Allocates the two texts and nothing else.</summary>
    /// <exception cref="InferenceException">The bytes are no protobuf message.</exception>
    public static ModelRoute Peek(ReadOnlySpan<byte> request)
    {
        ReadOnlySpan<byte> name = default, version = default;
        var reader = new ProtoReader(request);
        while (reader.Next())
        {
            if (reader.Is(1, WireType.Bytes)) name = reader.Bytes;
            else if (reader.Is(2, WireType.Bytes)) version = reader.Bytes;
        }

        return new ModelRoute(Text(name, "model_name"), Text(version, "model_version"));
    }

    private static string Text(ReadOnlySpan<byte> bytes, string field) =>
        System.Text.Unicode.Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : throw ProtoReader.Malformed($"a {field} that is not UTF-8");
}
