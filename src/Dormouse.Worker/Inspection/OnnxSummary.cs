namespace Dormouse.Worker.Inspection;

/// <summary>What the walk over a model file found.</summary>
internal sealed class OnnxSummary
{
    internal long? IrVersion { get; set; }

    internal bool HasGraph { get; set; }

    /// <summary>Operator sets of the model and of its functions; the empty domain is ONNX's own.</summary>
    internal List<(string Domain, long Version)> OperatorSets { get; } = [];

    /// <summary>Fixed dimensions of the model's own inputs and outputs that no tensor can have.</summary>
    internal List<(string Tensor, long Dimension)> LargeDimensions { get; } = [];

    /// <summary>Tensors whose data lies in other files.</summary>
    internal List<ExternalTensor> ExternalTensors { get; } = [];
}

/// <param name="Tensor">Name of the tensor, for messages; may be empty.</param>
/// <param name="Locations">Every location given, also when the file repeats the entry.</param>
/// <param name="Offset">First byte in the external file.</param>
/// <param name="Length">Bytes in the external file; null = to its end.</param>
internal sealed record ExternalTensor(string Tensor, List<string> Locations, long Offset, long? Length);
