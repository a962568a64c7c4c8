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

    /// <summary>Set when it is a function and no model: then it has no tensors, and its calls go to <c>/invoke</c>.</summary>
    public FunctionInterface? Function { get; init; }
}

/// <summary>How a function is called.</summary>
/// <param name="Kind">"function", "method", "web", "asgi", "handle", "huggingface", "cog"; null = not known yet.</param>
/// <param name="Stream">It answers with a stream of values.</param>
/// <param name="Doc">First line of its documentation.</param>
/// <param name="Input">JSON Schema of the body; null = anything.</param>
/// <param name="Output">JSON Schema of the answer, of each value where it streams; null = anything.</param>
public sealed record FunctionInterface(string? Kind = null, bool Stream = false, string? Doc = null, System.Text.Json.JsonElement? Input = null, System.Text.Json.JsonElement? Output = null);

/// <param name="Datatype">Protocol name: BOOL, UINT8 … FP64, BF16, BYTES.</param>
/// <param name="Shape">-1 = variable.</param>
public sealed record TensorInfo(string Name, string Datatype, ImmutableArray<long> Shape);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ModelInterface))]
public sealed partial class ModelInterfaceJson : JsonSerializerContext;
