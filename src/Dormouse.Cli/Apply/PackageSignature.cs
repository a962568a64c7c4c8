using System.Collections.Immutable;
using Dormouse.Cli.Deploy;
using Dormouse.Cli.LocalFiles;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Signatures;

namespace Dormouse.Cli.Apply;

/// <summary>The signature that a package brings along.</summary>
internal static class PackageSignature
{
    public const string FileName = "signature.yaml";

    /// <summary>As JSON text, as written; null when the version has none.</summary>
    public static string? Of(SourceVersion version) =>
        version.Files.FirstOrDefault(f => f.Path == FileName) is { } file
            ? YamlJson.Of(YamlPlaces.Load(file.LocalPath, LocalFile.ReadText(file.LocalPath, "signature file")))?.ToJsonString()
            : null;

    /// <summary>What is wrong with those of a source, each with its file.</summary>
    public static ImmutableArray<string> Faults(PackageSource source)
    {
        var faults = ImmutableArray.CreateBuilder<string>();
        foreach (var file in source.Versions.SelectMany(v => v.Files).Where(f => f.Path == FileName).DistinctBy(f => f.LocalPath))
        {
            try
            {
                var text = Of(new SourceVersion(null, [file]));
                faults.AddRange(SignatureRules.Parse(text ?? "null", out var errors) is null ? errors.Select(e => $"{file.LocalPath}: {e}") : []);
            }
            catch (CommandException e)
            {
                faults.Add(e.Message);
            }
        }

        return faults.ToImmutable();
    }
}
