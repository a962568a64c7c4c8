using System.Collections.Immutable;
using Dormouse.Protocol.Inference;

namespace Dormouse.Worker.Inspection;

/// <summary>Compares what two forms of one model ask for and answer.</summary>
internal static class InterfaceComparison
{
    /// <summary>The first difference in plain words; null when there is none.</summary>
    internal static string? Difference(ModelInterface original, ModelInterface other) =>
        Difference("input", original.Inputs, other.Inputs) ?? Difference("output", original.Outputs, other.Outputs);

    private static string? Difference(string kind, ImmutableArray<TensorInfo> original, ImmutableArray<TensorInfo> other)
    {
        if (original.Length != other.Length)
        {
            return $"{other.Length} {kind}s instead of {original.Length}.";
        }

        foreach (var (expected, actual) in original.Zip(other))
        {
            if (expected.Name != actual.Name || expected.Datatype != actual.Datatype || !expected.Shape.SequenceEqual(actual.Shape))
            {
                return $"{kind} {Words(actual)} instead of {Words(expected)}.";
            }
        }

        return null;
    }

    private static string Words(TensorInfo tensor) => $"'{tensor.Name}' {tensor.Datatype}[{string.Join(',', tensor.Shape)}]";
}
