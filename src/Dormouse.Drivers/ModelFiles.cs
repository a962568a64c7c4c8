using Dormouse.Core.Packages;

namespace Dormouse.Drivers;

/// <summary>Which files of a package an ONNX worker needs.</summary>
/// <param name="Model">Relative path of the model.</param>
/// <param name="Labels">Relative path of the labels, or null.</param>
public sealed record ModelFiles(string Model, string? Labels)
{
    private const string DefaultModel = "model.onnx";
    private const string LabelsFile = "labels.txt";

    /// <summary>The single <c>*.onnx</c> file in the package's root; when there are several, <c>model.onnx</c>. Null: none, or several of other names.</summary>
    public static ModelFiles? Find(Package package)
    {
        var root = package.Files.Select(file => file.Path).Where(path => !path.Contains('/', StringComparison.Ordinal)).ToArray();
        var models = root.Where(path => path.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase)).ToArray();
        var model = models.Length == 1 ? models[0] : Array.Find(models, path => path == DefaultModel);
        return model is null ? null : new(model, Array.Find(root, path => path == LabelsFile));
    }

    /// <summary>Why <see cref="Find"/> found none, in plain words.</summary>
    public const string MissingReason = "The package needs exactly one .onnx file in its root, or one named model.onnx among several.";
}
