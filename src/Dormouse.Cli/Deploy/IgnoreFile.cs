using System.IO.Enumeration;
using Dormouse.Cli.LocalFiles;
using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Deploy;

/// <summary>
/// What of a folder is no part of a package: names that never are, and the patterns of its <c>.dormouseignore</c>. One pattern a line, '#' begins a comment; '*' is any text, '?' any character;
/// a pattern with '/' within it is a path from the folder, any other a name at any depth; a '/' at its end means folders only.
/// </summary>
internal sealed class IgnoreFile
{
    public const string Name = ".dormouseignore";

    /// <summary>Hidden ones (.git, .venv) are left out anyway.</summary>
    private static readonly string[] Always = ["__pycache__/", "*.pyc", "node_modules/"];

    private readonly string[] _patterns;

    private IgnoreFile(string[] patterns) => _patterns = patterns;

    public static IgnoreFile Of(string folder)
    {
        var file = Path.Combine(folder, Name);
        if (LocalFile.KindOf(file) == LocalKind.Missing)
        {
            return new IgnoreFile(Always);
        }

        var written = LocalFile.ReadText(file, "file").Split('\n', StringSplitOptions.TrimEntries).Where(l => l.Length > 0 && l[0] != '#').ToArray();
        return Array.Find(written, l => l[0] == '!') is { } negated
            ? throw CommandException.BadSource($"{file} has the line '{negated}'; lines that take a file back in are not possible. List what is to be left out.")
            : new IgnoreFile([.. Always, .. written]);
    }

    /// <param name="path">From the folder, with '/'.</param>
    public bool IsIgnored(string path, bool isFolder)
    {
        foreach (var pattern in _patterns)
        {
            var isForFolders = pattern.EndsWith('/');
            var text = pattern.Trim('/');
            if ((!isForFolders || isFolder)
                && FileSystemName.MatchesSimpleExpression(text, text.Contains('/', StringComparison.Ordinal) || pattern[0] == '/' ? path : path[(path.LastIndexOf('/') + 1)..], ignoreCase: false))
            {
                return true;
            }
        }

        return false;
    }
}
