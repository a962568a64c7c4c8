using System.Text.RegularExpressions;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Dormouse.Worker.Engine;
using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Worker.Running;

/// <summary>Whose fault a failed run is: the input's, the machine's memory's, or the model's.</summary>
internal static partial class RunFault
{
    /// <summary>The problem to answer.</summary>
    internal static InferenceException Of(OnnxRuntimeException fault, LoadedModel model)
    {
        var text = EngineMessages.Clean(fault.Message);
        if (EngineMessages.IsOutOfMemory(text) || TooLarge().IsMatch(text))
        {
            return new InferenceException(ProblemCode.MemoryExceeded, "The run asked for more memory than there is: " + text + ". Send less at once, or deploy with more --memory.", fault);
        }

        // The engine does not say whose fault it is. A kernel that complains of a shape, an axis or an index does so about values that
        // came from the request, unless the model takes nothing.
        return model.Interface.Inputs.Length > 0 && (fault.Message.StartsWith("[ErrorCode:InvalidArgument]", StringComparison.Ordinal) || AboutInput().IsMatch(text))
            ? new InferenceException(ProblemCode.InputInvalid, "The model cannot run on this input: " + text, fault)
            : new InferenceException(ProblemCode.RunFailed, "The model failed to run: " + text, fault);
    }

    [GeneratedRegex(@"overflow|SafeInt|length_error|vector::_M", RegexOptions.IgnoreCase)]
    private static partial Regex TooLarge();

    [GeneratedRegex(@"shape|dimension|dims|broadcast|axis|axes|rank|ind(?:ex|ices)|out of (?:bounds|range)|mismatch|invalid input|size of|must (?:be|match|have)|divisible|divide by zero|division", RegexOptions.IgnoreCase)]
    private static partial Regex AboutInput();
}
