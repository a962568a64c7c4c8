using Dormouse.Cli.Deploy;
using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Hosting;

/// <summary>The model that comes with the product: a picture of a handwritten digit in, the digit out (models/digits).</summary>
internal static class BundledModel
{
    public const string Name = "digits";

    private static readonly string[] PackageFiles = ["labels.txt", "model.onnx", "signature.yaml"];

    private static string Folder => Path.Combine(AppContext.BaseDirectory, "models", Name);

    /// <summary>A picture to call it with.</summary>
    public static string Picture => Path.Combine(Folder, "examples", "seven.png");

    public static PackageSource Source()
    {
        var missing = PackageFiles.Select(f => Path.Combine(Folder, f)).Append(Picture).FirstOrDefault(f => !File.Exists(f));
        return missing is null
            ? new PackageSource(Name, [new SourceVersion(null, [.. PackageFiles.Select(f => new SourceFile(f, Path.Combine(Folder, f)))])], [])
            : throw CommandException.Failed("installation_incomplete", $"The bundled model is incomplete: '{missing}' is not there. Build again with './dormouse'.");
    }
}
