using Dormouse.Worker.Engine;

namespace Dormouse.Worker.Inspection;

/// <summary>What the engine of this build can read. A test holds these numbers against the engine itself.</summary>
internal static class EngineLimits
{
    /// <summary>Newest version of the file format.</summary>
    internal const long IrVersionMax = 13;

    /// <summary>Newest released operator set of ONNX's own domain.</summary>
    internal const long OperatorSetMax = 26;

    /// <summary>Newest operator set of classical machine learning (<c>ai.onnx.ml</c>).</summary>
    internal const long MachineLearningSetMax = 5;

    /// <summary>Throws when the model is newer than the engine.</summary>
    internal static void Check(OnnxSummary summary)
    {
        if (summary.IrVersion > IrVersionMax)
        {
            throw new ModelRefusedException($"The model has ONNX IR version {summary.IrVersion}; this engine reads up to {IrVersionMax}. Export it with an older onnx package.");
        }

        foreach (var (domain, version) in summary.OperatorSets)
        {
            var most = domain switch
            {
                "" => OperatorSetMax,
                "ai.onnx.ml" => MachineLearningSetMax,
                _ => long.MaxValue,
            };
            if (version > most)
            {
                throw new ModelRefusedException($"The model uses operator set {version} of '{(domain.Length == 0 ? "ai.onnx" : domain)}'; this engine has up to {most}. Export it with opset_version={most} or lower.");
            }
        }
    }
}
