using Dormouse.Cli.LocalFiles;
using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Deploy;

/// <summary>Mistakes that can be seen before anything is sent.</summary>
internal static class SourceChecks
{
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
}
