using System.Buffers;
using System.Collections.Immutable;

namespace Dormouse.Core.Packages;

/// <summary>Content-addressed files of a revision.</summary>
/// <param name="Files">In ordinal order of path; at least one; paths are unique, relative, with '/' and no '.', '..' or empty parts.</param>
public sealed record Package(ImmutableArray<PackageFile> Files)
{
    /// <summary>Bytes of all files together.</summary>
    public long SizeBytes => Files.Sum(f => f.SizeBytes);
}

/// <param name="Path">Relative path within the package.</param>
/// <param name="Hash">SHA-256 of the content.</param>
public sealed record PackageFile(string Path, BlobHash Hash, long SizeBytes);

/// <summary>SHA-256 of a file's content, 64 lower-case hexadecimal digits; compared ordinally.</summary>
public readonly record struct BlobHash(string Value)
{
    private static readonly SearchValues<char> HexDigits = SearchValues.Create("0123456789abcdef");

    /// <summary>True for exactly 64 lower-case hexadecimal digits, which also makes it a safe file name.</summary>
    public static bool IsValid(string? value) =>
        value is { Length: 64 } && value.AsSpan().IndexOfAnyExcept(HexDigits) < 0;

    public override string ToString() => Value;
}
