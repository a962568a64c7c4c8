using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Packages;

/// <summary>Which files of a package are the model's: the one rule for it.</summary>
/// <param name="Labels">Relative path of the labels, or null.</param>
public sealed record ModelFiles(PackageFile Model, string? Labels)
{
    private const string Extension = ".onnx";
    private const string DefaultModel = "model.onnx";
    private const string LabelsFile = "labels.txt";

    /// <summary>Why <see cref="Find"/> found none, in plain words.</summary>
    public const string MissingReason = "The package has no model: it needs one *.onnx file at its top, or one named model.onnx when there are several.";

    /// <summary>Those of a revision; null also where its runtime runs no models, whatever lies in its package.</summary>
    public static ModelFiles? Of(RevisionSpec spec, Package package) => spec.Kind.RunsModels ? Find(package) : null;

    /// <summary>Those of a revision; null also where its runtime runs no models, whatever lies in its package.</summary>
    public static ModelFiles? Of(Revision revision) => Of(revision.Spec, revision.Package);

    /// <summary>
    /// The single <c>*.onnx</c> file at the package's top, whatever the case of its extension; when there are several, <c>model.onnx</c>. Null: none, or several of other names.
    /// </summary>
    public static ModelFiles? Find(Package package)
    {
        PackageFile? only = null, named = null;
        string? labels = null;
        var count = 0;
        foreach (var file in package.Files)
        {
            if (file.Path.Contains('/', StringComparison.Ordinal))
            {
                continue;
            }

            if (file.Path.EndsWith(Extension, StringComparison.OrdinalIgnoreCase))
            {
                count++;
                only = file;
                named = file.Path == DefaultModel ? file : named;
            }

            labels = file.Path == LabelsFile ? file.Path : labels;
        }

        return (count == 1 ? only : named) is { } model ? new ModelFiles(model, labels) : null;
    }
}
