using System.Text.RegularExpressions;
using Dormouse.Protocol.Inference;

namespace Dormouse.Worker.Engine;

/// <summary>Puts the engine's messages in plain words: no paths, no source lines, and the numbers a person needs.</summary>
internal static partial class EngineMessages
{
    private const int LengthMax = 600;

    /// <summary>Why a model could not be loaded.</summary>
    internal static string WhyNotLoaded(Exception fault)
    {
        var text = Clean(fault.Message);
        if (NotRegistered().Match(text) is { Success: true } custom)
        {
            return $"The model uses the operator '{custom.Groups["op"].Value}' of domain '{Domain(custom.Groups["domain"].Value)}', which this engine does not have.";
        }

        if (NoSuchOperator().Match(text) is { Success: true } missing)
        {
            return $"The model uses the operator '{missing.Groups["op"].Value}', which operator set {missing.Groups["version"].Value} of '{Domain(missing.Groups["domain"].Value)}' does not have in this engine.";
        }

        if (NoImplementation().Match(text) is { Success: true } kernel)
        {
            return $"The engine has no implementation of the operator '{kernel.Groups["op"].Value}' (operator set {kernel.Groups["version"].Value}) for the types that node '{kernel.Groups["node"].Value}' uses.";
        }

        if (IsOutOfMemory(text))
        {
            return "The model needs more memory to load than there is.";
        }

        if (text.Contains("TensorElementType", StringComparison.Ordinal))
        {
            return $"An input or output has an element type that inference requests cannot carry; allowed are {Datatypes.Listing}. Convert it to one of these in the model.";
        }

        if (UnknownType().Match(text) is { Success: true } type)
        {
            return $"The engine does not support the element type {type.Groups["type"].Value}.";
        }

        return fault is ArgumentException
            ? "The model has an input or output of an element type that the inference protocol cannot carry: " + text
            : "The engine cannot load the model: " + text;
    }

    /// <summary>True when an allocation failed.</summary>
    internal static bool IsOutOfMemory(string message) =>
        message.Contains("bad_alloc", StringComparison.Ordinal) || message.Contains("Failed to allocate", StringComparison.OrdinalIgnoreCase)
        || message.Contains("out of memory", StringComparison.OrdinalIgnoreCase);

    /// <summary>The message without the engine's own decoration: codes, paths, source positions, C++ signatures.</summary>
    internal static string Clean(string message)
    {
        var text = ErrorCode().Replace(message, "");
        text = LoadPrefix().Replace(text, "");
        text = SourcePosition().Replace(text, "");
        text = CallSignature().Replace(text, "");
        text = BareSourcePosition().Replace(text, "");
        text = InvalidModel().Replace(text, "");
        text = NodeDescription().Replace(text, "node '${node}' (${op}): ");
        text = NodeAndOperator().Replace(text, "node '${node}' (${op}): ");
        text = SchemaOfNode().Replace(text, "");
        text = Inference().Replace(text, "");
        text = NodePrefix().Replace(text, "node '${node}' (${op}): ");
        text = NestedCode().Replace(text, "");
        text = Condition().Replace(text, "");
        text = text.Replace("std::bad_alloc", "out of memory", StringComparison.Ordinal)
            .Replace("Tensor shape.Size() must be >= 0", "a tensor would have a size below 0", StringComparison.Ordinal)
            .Replace(" in TypeProto_Tensor", "", StringComparison.Ordinal);
        text = DescriptorPath().Replace(text, "the model's file");
        text = WhiteSpace().Replace(text, " ").Trim();
        return text.Length > LengthMax ? text[..LengthMax] + "…" : text;
    }

    private static string Domain(string domain) => domain.Length == 0 ? "ai.onnx" : domain;

    [GeneratedRegex(@"^\[ErrorCode:\w+\]\s*")]
    private static partial Regex ErrorCode();

    [GeneratedRegex(@"(?:Exception during (?:initialization|loading): |Load model from \S+ failed:\s*|Fatal error: )")]
    private static partial Regex LoadPrefix();

    // "/onnxruntime_src/onnxruntime/core/…/file.cc:123 onnxruntime::Type::Call(const Args&) "
    [GeneratedRegex(@"(?:/\S+)?/onnxruntime[\w/.-]*\.(?:cc|h|cpp|hpp):\d+ (?:[^()\n]*\([^()\n]*\)(?: const)?(?: \[with [^\]]*\])?)?\s*")]
    private static partial Regex SourcePosition();

    // "matmul_helper.h:59 Compute "
    [GeneratedRegex(@"\b\w+\.(?:cc|h|cpp|hpp):\d+ (?:[A-Za-z_]\w* )?")]
    private static partial Regex BareSourcePosition();

    // "onnxruntime::Frame::Info::Info(const std::vector<…>&, …) "
    [GeneratedRegex(@"\bonnxruntime::[\w:<>~]+\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)(?: const)?\s*")]
    private static partial Regex CallSignature();

    [GeneratedRegex(@"This is an invalid model\. (?:Error: )?")]
    private static partial Regex InvalidModel();

    // "In Node, ("n", Cast, "", -1) : ("x": tensor(float),) -> ("y": tensor(float),) , Error "
    [GeneratedRegex(@"In Node, \(""(?<node>[^""]*)"", (?<op>[\w.-]+), ""[^""]*"", -?\d+\) : .*? -> .*? , Error (?:Node ?\([^)]*\) )?")]
    private static partial Regex NodeDescription();

    [GeneratedRegex(@"Node \((?<node>[^)]*)\) Op \((?<op>[^)]*)\) ")]
    private static partial Regex NodeAndOperator();

    [GeneratedRegex(@"with schema\([^)]*\) ")]
    private static partial Regex SchemaOfNode();

    // "input_size == requested_size was false. " before the sentence that says it in words.
    [GeneratedRegex(@"(?<=^|: )[^:']*? was false\.\s+(?=\S)")]
    private static partial Regex Condition();

    [GeneratedRegex(@"\[\w*InferenceError\]\s*")]
    private static partial Regex Inference();

    [GeneratedRegex(@"Non-zero status code returned while running (?<op>[\w.-]+) node\. Name:'(?<node>[^']*)' Status Message: ")]
    private static partial Regex NodePrefix();

    [GeneratedRegex(@"\[ONNXRuntimeError\] : \d+ : \w+ : ")]
    private static partial Regex NestedCode();

    [GeneratedRegex(@"""?/proc/self/fd/[^\s"",;]+""?")]
    private static partial Regex DescriptorPath();

    [GeneratedRegex(@"\s+")]
    private static partial Regex WhiteSpace();

    [GeneratedRegex(@"(?<domain>[\w.-]*):(?<op>[\w.-]+)\((?<version>-?\d+)\) is not a registered function/op")]
    private static partial Regex NotRegistered();

    [GeneratedRegex(@"No Op registered for (?<op>[\w.-]+) with domain_version of (?<version>\d+)(?<domain>)")]
    private static partial Regex NoSuchOperator();

    [GeneratedRegex(@"MLDataType for: (?:\w+\()?(?<type>\w+)\)? is not currently registered")]
    private static partial Regex UnknownType();

    [GeneratedRegex(@"Could not find an implementation for (?<op>[\w.-]+)\((?<version>-?\d+)\) node with name '(?<node>[^']*)'")]
    private static partial Regex NoImplementation();
}
