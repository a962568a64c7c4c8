using Dormouse.Protocol.Problems;

namespace Dormouse.Protocol.Inference;

/// <summary>A request that cannot be run, or an answer that cannot be written, with the words for the caller.</summary>
/// <param name="code">Row of the error catalogue.</param>
/// <param name="message">What was expected and what was given, naming tensor and model.</param>
public sealed class InferenceException(ProblemCode code, string message, Exception? inner = null) : Exception(message, inner)
{
    public ProblemCode Code { get; } = code;
}
