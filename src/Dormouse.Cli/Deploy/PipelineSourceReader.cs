using Dormouse.Cli.Apply;
using Dormouse.Cli.LocalFiles;
using Dormouse.Cli.Terminal;
using Dormouse.Core.Pipelines;

namespace Dormouse.Cli.Deploy;

/// <summary>The definition of a pipeline: one YAML or JSON file, judged before it is sent.</summary>
internal static class PipelineSourceReader
{
    /// <summary>Path in the package, whatever the file is called: renaming it changes nothing.</summary>
    private const string PackagePath = "pipeline.yaml";

    private static readonly string[] Extensions = [".yaml", ".yml"];

    /// <summary>Is it a pipeline when nobody said so?</summary>
    public static bool IsPipeline(string path, LocalKind kind) => kind == LocalKind.File && Extensions.Any(e => path.EndsWith(e, StringComparison.OrdinalIgnoreCase));

    public static PackageSource OfFile(string path)
    {
        var json = YamlJson.Of(YamlPlaces.Load(path, LocalFile.ReadText(path, "file")))?.ToJsonString() ?? "null";
        if (PipelineReader.Read(json, out var faults) is null)
        {
            throw new CommandException(ExitCodes.Refused, "spec_invalid", $"{path}: {string.Join(Environment.NewLine, faults)}");
        }

        var name = Path.GetFileNameWithoutExtension(path);
        const string Suffix = ".pipeline";
        return new PackageSource(
            name.EndsWith(Suffix, StringComparison.OrdinalIgnoreCase) ? name[..^Suffix.Length] : name, [new SourceVersion(null, [new SourceFile(PackagePath, path)])], [])
        { IsPipeline = true };
    }
}
