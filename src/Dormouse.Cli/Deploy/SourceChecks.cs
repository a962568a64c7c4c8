using Dormouse.Cli.LocalFiles;
using Dormouse.Cli.Terminal;
using Dormouse.Core.Packages;

namespace Dormouse.Cli.Deploy;

/// <summary>Mistakes that can be seen before anything is sent.</summary>
internal static class SourceChecks
{
    private const string Model = "model.onnx";

    private static ReadOnlySpan<byte> LfsPointer => "version https://git-lfs.github.com/spec/"u8;

    public static void Check(SourceFile file)
    {
        if (LocalFile.KindOf(file.LocalPath) is not LocalKind.File and var kind)
        {
            throw CommandException.BadSource(kind == LocalKind.Missing
                ? $"'{file.LocalPath}' is a link to nothing. Remove it or put the file there."
                : $"'{file.LocalPath}' is {LocalFile.Word(kind)}, not a file, and cannot be part of a package. Remove it, or name the model's file alone.");
        }

        using var stream = File.OpenRead(file.LocalPath);
        if (stream.Length == 0 && file.Path.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase))
        {
            throw CommandException.BadSource($"'{file.LocalPath}' is empty: the download or export that made it did not end. Get it again.");
        }

        Span<byte> head = stackalloc byte[LfsPointer.Length];
        if (stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) == head.Length && head.SequenceEqual(LfsPointer))
        {
            throw CommandException.BadSource($"'{file.LocalPath}' is a Git LFS pointer, not the file itself. Run 'git lfs pull' in its repository, then deploy again.");
        }
    }

    /// <summary>A version has a model where the server looks for it, and paths that it takes.</summary>
    public static void CheckPackage(SourceVersion version, string source, bool isModel)
    {
        if (version.Files.Select(f => PackageRules.PathRefusal(f.Path)).FirstOrDefault(r => r is not null) is { } refusal)
        {
            throw CommandException.BadSource(refusal);
        }

        if (!isModel)
        {
            return;
        }

        var models = version.Files.Where(f => f.Path.EndsWith(".onnx", StringComparison.Ordinal) && !f.Path.Contains('/', StringComparison.Ordinal)).Select(f => f.Path).ToArray();
        if (models.Length == 1 || models.Contains(Model))
        {
            return;
        }

        var place = version.Version is { } number ? $"Version {number} of '{source}'" : $"'{source}'";
        throw CommandException.BadSource(models.Length > 1
            ? $"{place} holds {models.Length} models ({string.Join(", ", models.Take(3))}{(models.Length > 3 ? ", …" : "")}). Name one of them, or call the one that is meant {Model}."
            : $"{place} {(version.Files.Length == 1 ? "is no model" : "holds no model at its top")}: a file that ends in .onnx is needed.{Deeper(version)}");
    }

    private static string Deeper(SourceVersion version) =>
        version.Files.FirstOrDefault(f => f.Path.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase)) is { } other ? $" There is {other.Path}." : "";
}
