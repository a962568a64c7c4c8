using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Dormouse.Protocol.Inference;

/// <summary>A model's inputs and outputs as the Open Inference Protocol's metadata shows them; also how a catalogue keeps them.</summary>
public sealed record ModelInterface
{
    /// <summary>Platform word of the protocol, e.g. <c>onnxruntime_onnx</c>.</summary>
    public required string Platform { get; init; }

    public required ImmutableArray<TensorInfo> Inputs { get; init; }

    public required ImmutableArray<TensorInfo> Outputs { get; init; }

    /// <summary>Set when the model takes a picture or text straight (it has a signature): media types for <c>/invoke</c>.</summary>
    public ImmutableArray<string> Accepts { get; set; } = [];
}

/// <param name="Datatype">Protocol name: BOOL, UINT8 … FP64, BF16, BYTES.</param>
/// <param name="Shape">-1 = variable.</param>
public sealed record TensorInfo(string Name, string Datatype, ImmutableArray<long> Shape);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ModelInterface))]
public sealed partial class ModelInterfaceJson : JsonSerializerContext;
