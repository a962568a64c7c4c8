using System.Collections.Immutable;
using Dormouse.Cli.LocalFiles;
using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Deploy;

/// <summary>Finds the package files of Python code: a folder, or a .py file with what lies beside it.</summary>
internal static class PythonSourceReader
{
    private const int FilesMax = 2000;
    private const int DepthMax = 32;

    /// <summary>More than code and its small files; models of that size belong into a folder of their own, deployed on purpose.</summary>
    private const long BesideBytesMax = 1L << 30;

    private const string Extension = ".py";
    private const string CogFile = "cog.yaml";

    /// <summary>A folder of a virtual environment has this file.</summary>
    private const string EnvironmentFile = "pyvenv.cfg";

    /// <summary>Words that name a file but no app.</summary>
    private static readonly string[] Meaningless = ["app", "main", "handler", "predict", "run", "serve", "__init__"];

    /// <summary>Is it code when nobody said so? A folder with a model at its top is a model's.</summary>
    public static bool IsPython(string path, LocalKind kind) => kind switch
    {
        LocalKind.File => path.EndsWith(Extension, StringComparison.Ordinal),
        LocalKind.Folder => !Directory.EnumerateFiles(path, "*.onnx").Any() && (Directory.EnumerateFiles(path, "*" + Extension).Any() || File.Exists(Path.Combine(path, CogFile))),
        _ => false,
    };

    public static PackageSource OfFile(string path)
    {
        var file = Path.GetFileName(path);
        if (!file.EndsWith(Extension, StringComparison.Ordinal))
        {
            return new PackageSource(Path.GetFileNameWithoutExtension(file), [new SourceVersion(null, [new SourceFile(file, path)])], []) { Python = new PythonSource(file) };
        }

        var folder = Path.GetDirectoryName(path) ?? "/";
        var files = Files(folder, $"'{file}' is sent with what lies beside it, and its folder");
        var bytes = files.Sum(f => File.Exists(f.LocalPath) ? new FileInfo(f.LocalPath).Length : 0);
        if (bytes > BesideBytesMax)
        {
            throw CommandException.BadSource(
                $"'{file}' is sent with what lies beside it, {Units.Bytes(bytes)} here; at most {Units.Bytes(BesideBytesMax)} are. Put it into a folder of its own, or list what is to be left out in {IgnoreFile.Name}.");
        }

        return new PackageSource(
            NameOf(file, folder), [new SourceVersion(null, files)],
            files.Length > 1 ? [$"{files.Length - 1} {(files.Length == 2 ? "file" : "files")} beside {file} {(files.Length == 2 ? "is" : "are")} sent too ({IgnoreFile.Name} leaves out what it lists)."] : [])
        {
            Python = new PythonSource(file),
        };
    }

    public static PackageSource OfFolder(string folder)
    {
        var files = Files(folder, $"'{folder}'");
        return files.IsEmpty
            ? throw CommandException.BadSource($"'{folder}' holds no file. Name a .py file or a folder with one.")
            : new PackageSource(new DirectoryInfo(folder).Name, [new SourceVersion(null, files)], []) { Python = new PythonSource(null) };
    }

    private static string NameOf(string file, string folder)
    {
        var stem = Path.GetFileNameWithoutExtension(file);
        return Meaningless.Contains(stem) && new DirectoryInfo(folder).Name is { Length: > 1 } name ? name : stem;
    }

    private static ImmutableArray<SourceFile> Files(string folder, string what)
    {
        var ignored = IgnoreFile.Of(folder);
        var found = new List<SourceFile>();
        Walk(folder, "", ignored, found, what, 0);
        return [.. found.OrderBy(f => f.Path, StringComparer.Ordinal)];
    }

    /// <summary>Hidden entries, links to folders, virtual environments and what is ignored are left out.</summary>
    private static void Walk(string folder, string prefix, IgnoreFile ignored, List<SourceFile> found, string what, int depth)
    {
        foreach (var entry in new DirectoryInfo(folder).EnumerateFileSystemInfos())
        {
            var path = prefix + entry.Name;
            var isFolder = entry is DirectoryInfo;
            if (entry.Name[0] == '.' || ignored.IsIgnored(path, isFolder))
            {
                continue;
            }

            if (!isFolder)
            {
                found.Add(new SourceFile(path, entry.FullName));
                if (found.Count > FilesMax)
                {
                    throw CommandException.BadSource($"{what} holds more than {FilesMax} files. Put the code into a folder of its own, or list what is to be left out in {IgnoreFile.Name}.");
                }
            }
            else if (depth < DepthMax && (entry.Attributes & FileAttributes.ReparsePoint) == 0 && !File.Exists(Path.Combine(entry.FullName, EnvironmentFile)))
            {
                Walk(entry.FullName, path + "/", ignored, found, what, depth + 1);
            }
        }
    }
}
