using System.Collections.Immutable;
using System.Text;

namespace Dormouse.Core.Packages;

/// <summary>A package judged: ready to store, or every error at once.</summary>
public abstract record PackageOutcome
{
    private PackageOutcome()
    {
    }

    /// <param name="Package">Files in ordinal order of path.</param>
    public sealed record Accepted(Package Package) : PackageOutcome;

    /// <param name="Errors">1 to <see cref="PackageRules.ErrorsMax"/> sentences.</param>
    public sealed record Refused(ImmutableArray<string> Errors) : PackageOutcome;
}

/// <summary>Which files may form a package. A path that passes stays inside any folder it is joined to.</summary>
public static class PackageRules
{
    public const int FilesMax = 10_000;
    public const int PathLengthMax = 512;

    /// <summary>Longest part of a path in UTF-8 bytes: what Linux file systems hold.</summary>
    public const int PartBytesMax = 255;

    /// <summary>Most errors told at once.</summary>
    public const int ErrorsMax = 20;

    /// <summary>Null when <paramref name="path"/> is allowed, else a sentence that says what is wrong.</summary>
    /// <param name="path">1 to 512 characters; parts divided by '/', none of them empty, "." or ".."; no backslash and no control character; valid Unicode.</param>
    public static string? PathRefusal(string? path)
    {
        if (string.IsNullOrEmpty(path))
        {
            return "A file has no path.";
        }

        var shown = Shown(path);
        if (path.Length > PathLengthMax)
        {
            return $"The path '{shown}' has {path.Length} characters; at most {PathLengthMax} are allowed.";
        }

        if (path[0] == '/')
        {
            return $"The path '{shown}' is absolute; paths are relative to the package.";
        }

        if (path.AsSpan().ContainsAny('\\', '\0') || path.Any(char.IsControl))
        {
            return $"The path '{shown}' holds a backslash or a control character; parts are divided by '/'.";
        }

        foreach (var part in path.Split('/'))
        {
            if (part is "" or "." or "..")
            {
                return $"The path '{shown}' has an empty, '.' or '..' part.";
            }

            if (Encoding.UTF8.GetByteCount(part) > PartBytesMax)
            {
                return $"The path '{shown}' has a part of more than {PartBytesMax} bytes.";
            }
        }

        return IsWellFormed(path) ? null : $"The path '{shown}' is not valid Unicode.";
    }

    /// <summary>
    /// Checks all files: 1 to 10,000, allowed paths, each once (compared ordinally; names that differ only in case are two files, as on the machines that serve them),
    /// none both a file and a folder, hashes of 64 hexadecimal digits, sizes of at least 0 whose sum fits.
    /// </summary>
    /// <param name="files">In any order.</param>
    public static PackageOutcome Check(IReadOnlyList<PackageFile> files)
    {
        if (files.Count is 0 or > FilesMax)
        {
            return new PackageOutcome.Refused([$"The package has {files.Count} files; 1 to {FilesMax} are allowed."]);
        }

        var errors = new List<string>();
        var paths = new HashSet<string>(StringComparer.Ordinal);
        Int128 size = 0;
        foreach (var file in files)
        {
            if (Refusal(file, paths) is { } error)
            {
                errors.Add(error);
            }

            size += file.SizeBytes;
        }

        errors.AddRange(files.Select(f => f.Path).Where(p => PathRefusal(p) is null).SelectMany(p => FoldersThatAreFiles(p, paths)));
        if (size > long.MaxValue)
        {
            errors.Add("The files together are larger than 2^63 bytes.");
        }

        return errors.Count == 0
            ? new PackageOutcome.Accepted(new Package([.. files.OrderBy(f => f.Path, StringComparer.Ordinal)]))
            : new PackageOutcome.Refused([.. errors.Take(ErrorsMax)]);
    }

    private static string? Refusal(PackageFile file, HashSet<string> paths)
    {
        if (PathRefusal(file.Path) is { } refusal)
        {
            return refusal;
        }

        if (!paths.Add(file.Path))
        {
            return $"The path '{file.Path}' is there twice.";
        }

        if (!BlobHash.IsValid(file.Hash.Value))
        {
            return $"The hash of '{file.Path}' is no SHA-256 in 64 lower-case hexadecimal digits.";
        }

        return file.SizeBytes < 0 ? $"The size of '{file.Path}' is {file.SizeBytes} bytes; at least 0 is allowed." : null;
    }

    private static IEnumerable<string> FoldersThatAreFiles(string path, HashSet<string> paths)
    {
        for (var slash = path.IndexOf('/', StringComparison.Ordinal); slash >= 0; slash = path.IndexOf('/', slash + 1))
        {
            if (paths.Contains(path[..slash]))
            {
                yield return $"'{path[..slash]}' is both a file and the folder of '{path}'.";
            }
        }
    }

    private static bool IsWellFormed(string path)
    {
        foreach (var rune in path.EnumerateRunes())
        {
            // A lone surrogate is enumerated as the replacement character, which is also refused when it is written out.
            if (rune == Rune.ReplacementChar)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>A user's path in a message: cut when long, control characters replaced.</summary>
    private static string Shown(string path)
    {
        const int ShownLengthMax = 80;
        var cut = path.Length <= ShownLengthMax ? path : path[..ShownLengthMax] + "…";
        return string.Concat(cut.Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c));
    }
}
