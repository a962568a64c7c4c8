using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Cli.LocalFiles;
using Dormouse.Cli.Terminal;
using Dormouse.Core.Endpoints;

namespace Dormouse.Cli.Deploy;

/// <summary>Finds the package files of a local file, folder or Triton-style model folder.</summary>
internal static class SourceReader
{
    /// <summary>More files than any model has; a person named the wrong folder.</summary>
    private const int FilesMax = 2000;

    /// <summary>Files of a Triton model folder that belong to every version.</summary>
    private static readonly string[] SharedFiles = ["config.pbtxt", "signature.yaml", "signature.yml", "labels.txt"];

    /// <summary>What exporters append to a model's name for its weights.</summary>
    private static readonly string[] ExternalDataNames = [".data", "_data"];

    /// <param name="runtime">What the user says of it; null = nothing, the source shows what it is.</param>
    /// <exception cref="CommandException">Nothing there, or nothing that could be a package.</exception>
    public static PackageSource Read(string source, string? runtime = null)
    {
        var path = Path.GetFullPath(source);
        var kind = LocalFile.KindOf(path);
        var isPython = runtime is null ? PythonSourceReader.IsPython(path, kind) : runtime == RuntimeKind.Python.Name;
        var isPipeline = runtime is null ? PipelineSourceReader.IsPipeline(path, kind) : runtime == RuntimeKind.Pipeline.Name;
        var found = kind switch
        {
            LocalKind.File when isPipeline => PipelineSourceReader.OfFile(path),
            LocalKind.Folder when isPipeline => throw CommandException.BadSource($"'{source}' is a folder; the definition of a pipeline is one YAML or JSON file. Name that."),
            LocalKind.File when isPython => PythonSourceReader.OfFile(path),
            LocalKind.Folder when isPython => PythonSourceReader.OfFolder(path),
            LocalKind.File => OfFile(path),
            LocalKind.Folder => OfFolder(path),
            LocalKind.Missing => throw CommandException.BadSource($"There is no file or folder '{source}'.{LocalFile.Near(path)}"),
            _ => throw CommandException.BadSource(
                $"'{source}' is {LocalFile.Word(kind)}, and a model is read more than once. Write it into a file, such as model.onnx, and deploy that."),
        };
        foreach (var file in found.Versions.SelectMany(v => v.Files).DistinctBy(f => f.LocalPath))
        {
            SourceChecks.Check(file);
        }

        foreach (var version in found.Versions)
        {
            SourceChecks.CheckPackage(version, source, isModel: found is { Python: null, IsPipeline: false });
        }

        return found;
    }

    private static PackageSource OfFile(string path)
    {
        var name = Path.GetFileName(path);
        var neighbour = ExternalDataNames.Select(suffix => path + suffix).Append(Path.ChangeExtension(path, ".data")).FirstOrDefault(File.Exists);
        return new PackageSource(
            Path.GetFileNameWithoutExtension(path),
            [new SourceVersion(null, [new SourceFile(name, path)])],
            neighbour is null ? [] : [$"{Path.GetFileName(neighbour)} lies beside {name} and is not sent: deploy the folder when the model needs it."]);
    }

    private static PackageSource OfFolder(string folder)
    {
        var name = new DirectoryInfo(folder).Name;
        var versions = Directory.EnumerateDirectories(folder)
            .Where(d => long.TryParse(Path.GetFileName(d), NumberStyles.None, CultureInfo.InvariantCulture, out _))
            .Select(d => (Number: long.Parse(Path.GetFileName(d), CultureInfo.InvariantCulture), Folder: d))
            .OrderBy(v => v.Number)
            .ToArray();
        if (versions.Length > 0 && !Directory.EnumerateFiles(folder, "*.onnx").Any())
        {
            return OfTritonFolder(name, folder, versions);
        }

        var files = Files(folder);
        return files.IsEmpty
            ? throw CommandException.BadSource($"'{folder}' holds no file. Name a model file or a folder with one.")
            : new PackageSource(name, [new SourceVersion(null, files)], []);
    }

    /// <summary><c>&lt;model&gt;/&lt;version&gt;/model.onnx</c>, with labels and settings beside the versions.</summary>
    private static PackageSource OfTritonFolder(string name, string folder, IEnumerable<(long Number, string Folder)> versions)
    {
        var shared = Directory.EnumerateFiles(folder)
            .Where(f => SharedFiles.Contains(Path.GetFileName(f), StringComparer.Ordinal) || IsLabelsFile(f))
            .Select(f => new SourceFile(Path.GetFileName(f), f))
            .ToArray();
        var found = ImmutableArray.CreateBuilder<SourceVersion>();
        foreach (var (number, versionFolder) in versions)
        {
            var own = Files(versionFolder);
            if (own.IsEmpty)
            {
                throw CommandException.BadSource($"Version folder '{versionFolder}' holds no file. Put model.onnx into it or remove it.");
            }

            // A file of the version itself wins over one that all versions share.
            var files = own.Concat(shared.Where(s => own.All(o => o.Path != s.Path))).OrderBy(f => f.Path, StringComparer.Ordinal);
            found.Add(new SourceVersion(number, [.. files]));
        }

        return new PackageSource(name, found.ToImmutable(), []);
    }

    private static bool IsLabelsFile(string path) =>
        Path.GetFileName(path) is var name && name.EndsWith(".txt", StringComparison.OrdinalIgnoreCase) && name.Contains("label", StringComparison.OrdinalIgnoreCase);

    /// <summary>All files below a folder in order of package path; hidden ones and links to folders are left out.</summary>
    private static ImmutableArray<SourceFile> Files(string folder)
    {
        var options = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.None, IgnoreInaccessible = false, MaxRecursionDepth = 32 };
        var files = new System.IO.Enumeration.FileSystemEnumerable<string>(folder, (ref System.IO.Enumeration.FileSystemEntry e) => e.ToFullPath(), options)
        {
            ShouldIncludePredicate = (ref System.IO.Enumeration.FileSystemEntry e) => !e.IsDirectory && e.FileName[0] != '.',
            ShouldRecursePredicate = (ref System.IO.Enumeration.FileSystemEntry e) => e.FileName[0] != '.' && (e.Attributes & FileAttributes.ReparsePoint) == 0,
        };
        var found = files
            .Take(FilesMax + 1)
            .Select(f => new SourceFile(Path.GetRelativePath(folder, f).Replace(Path.DirectorySeparatorChar, '/'), f))
            .OrderBy(f => f.Path, StringComparer.Ordinal)
            .ToImmutableArray();
        return found.Length <= FilesMax
            ? found
            : throw CommandException.BadSource($"'{folder}' holds more than {FilesMax} files. Name the folder of one model.");
    }
}
