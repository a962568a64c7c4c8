using Dormouse.Protocol.Problems;

namespace Dormouse.Protocol.Inference;

/// <summary>Parameters that mean something here. All others are handed on and never an error.</summary>
internal static class KnownParameters
{
    public const string BinaryDataOutput = "binary_data_output";
    public const string BinaryDataSize = "binary_data_size";

    private const string BinaryData = "binary_data";
    private const string Classification = "classification";
    private const string SharedMemoryPrefix = "shared_memory_";
    private const string ReservedPrefix = "triton_";

    /// <summary>Refuses reserved names, and shared memory, which this server has not.</summary>
    public static void CheckName(string name, string owner)
    {
        if (name.StartsWith(ReservedPrefix, StringComparison.Ordinal))
            throw new InferenceException(ProblemCode.RequestInvalid, $"parameter {Excerpt.Name(name)} of {owner} is refused: keys that start with '{ReservedPrefix}' are reserved");
        if (name.StartsWith(SharedMemoryPrefix, StringComparison.Ordinal))
        {
            throw new InferenceException(ProblemCode.NotSupported,
                $"parameter {Excerpt.Name(name)} of {owner} asks for shared memory, which is not supported; send the tensor as 'data' or as binary");
        }
    }

    /// <summary>A parameter that must be true or false; null when absent.</summary>
    public static bool? Flag(IReadOnlyDictionary<string, ParameterValue> parameters, string name, string owner) =>
        !parameters.TryGetValue(name, out var value) ? null
        : value is ParameterValue.Flag flag ? flag.Value
        : throw new InferenceException(ProblemCode.RequestInvalid, $"parameter '{name}' of {owner} must be true or false");

    /// <summary>A parameter that must be a whole number from 0; null when absent.</summary>
    public static long? Whole(IReadOnlyDictionary<string, ParameterValue> parameters, string name, string owner) =>
        !parameters.TryGetValue(name, out var value) ? null
        : value is ParameterValue.Integer { Value: >= 0 } whole ? whole.Value
        : throw new InferenceException(ProblemCode.RequestInvalid, $"parameter '{name}' of {owner} must be a whole number from 0 to 2^63 - 1");

    public static RequestedOutput ToOutput(string name, IReadOnlyDictionary<string, ParameterValue>? parameters)
    {
        if (parameters is null) return new RequestedOutput(name);
        var owner = $"output '{name}'";
        var classes = Whole(parameters, Classification, owner);

        // More classes than an int counts are more than any tensor has: the same as all of them. 0 is the protocol's way to say none.
        return new RequestedOutput(name, Flag(parameters, BinaryData, owner), classes is null or 0 ? null : (int)Math.Min(classes.Value, int.MaxValue));
    }
}
