using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Environments;

/// <summary>
/// Reads requirements files in pip's format. Paths in them are relative to the package and stay in it; what would read other places of the machine, or variables of
/// the server, is refused: whoever writes the file is not whoever owns the machine.
/// </summary>
public sealed class RequirementsReader
{
    public const int ErrorsMax = 10;
    public const int LinesMax = 5_000;
    public const int DepthMax = 10;

    /// <summary>Options of pip that take a value and mean the same wherever pip runs.</summary>
    private static readonly ImmutableArray<string> Valued = ["--index-url", "--extra-index-url", "--no-binary", "--only-binary", "--trusted-host", "--use-feature"];

    private static readonly ImmutableArray<string> Flags = ["--no-index", "--pre", "--prefer-binary", "--require-hashes"];

    private static readonly ImmutableArray<string> ArchiveEndings = [".whl", ".tar.gz", ".zip", ".tgz", ".tar.bz2"];

    private readonly ImmutableSortedSet<string> _files;
    private readonly Func<string, string?> _read;
    private readonly List<string> _options = [];
    private readonly SortedSet<string> _requirements = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _constraints = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _local = new(StringComparer.Ordinal);
    private readonly HashSet<(string, bool)> _seen = [];
    private readonly List<string> _errors = [];
    private int _lines;

    private RequirementsReader(IEnumerable<string> files, Func<string, string?> read)
    {
        _files = files.ToImmutableSortedSet(StringComparer.Ordinal);
        _read = read;
    }

    /// <summary>Puts single requirements and a requirements file together.</summary>
    /// <param name="pip">One requirement each, no options.</param>
    /// <param name="file">Path of a requirements file of the package, or null.</param>
    /// <param name="files">All paths of the package.</param>
    /// <param name="read">Text of a file of the package; null = it is no text, or too long.</param>
    public static RequirementsOutcome Read(ImmutableArray<string> pip, string? file, IEnumerable<string> files, Func<string, string?> read)
    {
        var reader = new RequirementsReader(files, read);
        foreach (var requirement in pip)
        {
            var place = $"pip: '{ShownText.Of(requirement)}'";
            if (requirement.TrimStart().StartsWith('-'))
            {
                reader.Refuse(place, "it is an option of pip; options belong in a requirements file");
            }
            else
            {
                reader.Line(requirement.Trim(), "", isConstraint: false, place, 0);
            }
        }

        if (file is not null)
        {
            reader.File(file, isConstraint: false, "requirements", 0);
        }

        return reader._errors.Count == 0
            ? new RequirementsOutcome.Accepted(new([.. reader._options, .. reader._requirements], [.. reader._constraints], [.. reader._local]))
            : new RequirementsOutcome.Refused([.. reader._errors.Take(ErrorsMax)]);
    }

    private void File(string path, bool isConstraint, string place, int depth)
    {
        if (depth > DepthMax)
        {
            Refuse(place, $"files refer to each other more than {DepthMax} deep");
        }
        else if (!_files.Contains(path))
        {
            Refuse(place, $"the package has no file '{ShownText.Of(path)}'");
        }
        else if (!_seen.Add((path, isConstraint)))
        {
            // Read before: a file that is named twice, or refers to itself, says the same again.
        }
        else if (_read(path) is not { } text)
        {
            Refuse(place, $"'{ShownText.Of(path)}' is no UTF-8 text, or is too long");
        }
        else
        {
            var folder = path.LastIndexOf('/') is var at and >= 0 ? path[..(at + 1)] : "";
            foreach (var (line, number) in Joined(text))
            {
                Line(line, folder, isConstraint, $"{path}:{number.ToString(CultureInfo.InvariantCulture)}", depth);
            }
        }
    }

    /// <summary>Lines without comments, with those that end in a backslash joined to the next; each with the number of its first.</summary>
    private static IEnumerable<(string Line, int Number)> Joined(string text)
    {
        var (open, first, number) = ("", 1, 0);
        foreach (var raw in text.TrimStart('\uFEFF').Split('\n'))
        {
            number++;
            first = open.Length == 0 ? number : first;
            var line = raw.TrimEnd('\r', ' ', '\t');
            if (line.EndsWith('\\'))
            {
                open += line[..^1] + " ";
                continue;
            }

            line = Uncommented(open + line);
            open = "";
            if (line.Length > 0)
            {
                yield return (line, first);
            }
        }

        if (Uncommented(open) is { Length: > 0 } rest)
        {
            yield return (rest, first);
        }
    }

    /// <summary>A '#' begins a comment at the line's begin and behind a blank; elsewhere it is part of an address.</summary>
    private static string Uncommented(string line)
    {
        for (var at = line.IndexOf('#', StringComparison.Ordinal); at >= 0; at = line.IndexOf('#', at + 1))
        {
            if (at == 0 || char.IsWhiteSpace(line[at - 1]))
            {
                return line[..at].Trim();
            }
        }

        return line.Trim();
    }

    private void Line(string line, string folder, bool isConstraint, string place, int depth)
    {
        if (++_lines > LinesMax)
        {
            if (_lines == LinesMax + 1)
            {
                Refuse(place, $"there are more than {LinesMax} lines");
            }
        }
        else if (line.Contains("${", StringComparison.Ordinal))
        {
            Refuse(place, "variables are not filled in here; write what they stand for");
        }
        else if (line.EndsWith('\\'))
        {
            Refuse(place, "a comment follows the backslash, so no line is joined to it");
        }
        else if (line.StartsWith('-'))
        {
            Option(line, folder, isConstraint, place, depth);
        }
        else if (Requirement(line, folder, place) is { } requirement)
        {
            (isConstraint ? _constraints : _requirements).Add(requirement);
        }
    }

    private void Option(string line, string folder, bool isConstraint, string place, int depth)
    {
        var (name, value) = Split(line);
        switch (name)
        {
            case "-r" or "--requirement" when value.Length > 0:
                Referred(value, folder, isConstraint, place, depth);
                break;

            case "-c" or "--constraint" when value.Length > 0:
                Referred(value, folder, isConstraint: true, place, depth);
                break;

            case "-f" or "--find-links" when value.Length > 0:
                if (IsAddress(value))
                {
                    Add($"--find-links {value}");
                }
                else if (Local(value, folder, place) is { } found)
                {
                    Add($"--find-links ./{found}");
                }

                break;

            case "-i" when value.Length > 0:
                Add($"--index-url {value}");
                break;

            case var _ when Flags.Contains(name) && value.Length == 0:
                Add(name);
                break;

            case var _ when Valued.Contains(name) && value.Length > 0:
                Add($"{name} {value}");
                break;

            case "-e" or "--editable":
                Refuse(place, "nothing can be installed editable, because the package's folder cannot be written; name the folder without -e");
                break;

            default:
                Refuse(place, $"the option '{ShownText.Of(line)}' is not allowed; allowed are -r, -c, -f, -i, {string.Join(", ", Flags)}, {string.Join(", ", Valued)}");
                break;
        }
    }

    private void Add(string option)
    {
        if (!_options.Contains(option))
        {
            _options.Add(option);
        }
    }

    private void Referred(string value, string folder, bool isConstraint, string place, int depth)
    {
        if (Inside(value, folder) is { } path)
        {
            File(path, isConstraint, place, depth + 1);
        }
        else
        {
            Refuse(place, $"'{ShownText.Of(value)}' is no file of the package");
        }
    }

    /// <summary>A requirement in its one spelling; null when it was refused.</summary>
    private string? Requirement(string line, string folder, string place)
    {
        // What follows a blank and a dash are options of this one requirement (hashes).
        var options = line.IndexOf(" --", StringComparison.Ordinal);
        var (wanted, rest) = options < 0 ? (line, "") : (line[..options].Trim(), " " + string.Join(' ', line[options..].Split(' ', StringSplitOptions.RemoveEmptyEntries)));
        if (rest.Length > 0 && !rest.Split(' ', StringSplitOptions.RemoveEmptyEntries).All(o => o.StartsWith("--hash=", StringComparison.Ordinal)))
        {
            Refuse(place, "of a single requirement's options only --hash is allowed");
            return null;
        }

        var at = wanted.IndexOf('@', StringComparison.Ordinal);
        var target = at >= 0 ? wanted[(at + 1)..].Trim() : wanted;
        if (IsAddress(target))
        {
            return wanted + rest;
        }

        if (target.StartsWith("file:", StringComparison.OrdinalIgnoreCase) || at >= 0)
        {
            Refuse(place, $"'{ShownText.Of(target)}' is no http or https address; name a file of the package by its path, such as ./wheels/x.whl");
            return null;
        }

        if (wanted.StartsWith('.') || wanted.StartsWith('/') || wanted.Contains('/', StringComparison.Ordinal) || ArchiveEndings.Any(e => Bare(wanted).EndsWith(e, StringComparison.OrdinalIgnoreCase)))
        {
            var path = Bare(wanted);
            return Local(path, folder, place) is { } found ? $"./{found}{wanted[path.Length..]}{rest}" : null;
        }

        return Canonical(wanted, place) is { } canonical ? canonical + rest : null;
    }

    /// <summary>A path without extras and markers behind it: <c>./a.whl[x]; python_version &lt; "3.12"</c>.</summary>
    private static string Bare(string wanted) => wanted[..(wanted.IndexOfAny(['[', ';']) is var end and >= 0 ? end : wanted.Length)].TrimEnd();

    /// <summary>The name as packaging writes it, the version without blanks.</summary>
    private string? Canonical(string wanted, string place)
    {
        var marker = wanted.IndexOf(';', StringComparison.Ordinal);
        var (before, after) = marker < 0 ? (wanted, "") : (wanted[..marker], "; " + wanted[(marker + 1)..].Trim());
        var length = 0;
        while (length < before.Length && (char.IsAsciiLetterOrDigit(before[length]) || before[length] is '.' or '-' or '_'))
        {
            length++;
        }

        var version = before[length..].Replace(" ", "", StringComparison.Ordinal).Replace("\t", "", StringComparison.Ordinal);
        if (length == 0 || !char.IsAsciiLetterOrDigit(before[0]) || version.Any(c => !char.IsAsciiLetterOrDigit(c) && !"[],<>=!~.*+-_()".Contains(c, StringComparison.Ordinal))
            || (version.Length > 0 && "[<>=!~(".IndexOf(version[0], StringComparison.Ordinal) < 0) || after == "; " || after.Contains('#', StringComparison.Ordinal))
        {
            Refuse(place, $"'{ShownText.Of(wanted)}' is no requirement; write it like numpy==1.26.4");
            return null;
        }

        return Name(before[..length]) + version + after;
    }

    private static string Name(string name) =>
        string.Join('-', name.ToLowerInvariant().Split(['-', '_', '.'], StringSplitOptions.RemoveEmptyEntries));

    /// <summary>A file or folder of the package; what it holds is remembered.</summary>
    private string? Local(string value, string folder, string place)
    {
        // pip looks beside the file for folders of wheels and in the working directory, which is the package, for everything else.
        foreach (var path in ((string?[])[Inside(value, folder), Inside(value, "")]).OfType<string>())
        {
            if (_files.Contains(path))
            {
                _local.Add(path);
                return path;
            }

            var under = _files.Where(f => path.Length == 0 || f.StartsWith(path + "/", StringComparison.Ordinal)).ToList();
            if (under.Count > 0)
            {
                _local.UnionWith(under);
                return path;
            }
        }

        Refuse(place, $"'{ShownText.Of(value)}' is not in the package");
        return null;
    }

    /// <summary>Path from the package's root; null when it leaves it.</summary>
    private static string? Inside(string value, string folder)
    {
        if (value.StartsWith('/') || value.Contains('\\', StringComparison.Ordinal) || value.Contains(':', StringComparison.Ordinal))
        {
            return null;
        }

        var parts = new List<string>();
        foreach (var part in (folder + value).Split('/'))
        {
            if (part == "..")
            {
                if (parts.Count == 0)
                {
                    return null;
                }

                parts.RemoveAt(parts.Count - 1);
            }
            else if (part is not ("" or "."))
            {
                parts.Add(part);
            }
        }

        return string.Join('/', parts);
    }

    private static (string Name, string Value) Split(string line)
    {
        var end = line.IndexOfAny([' ', '\t', '=']);
        return end < 0
            ? line.Length > 2 && line[1] != '-' ? (line[..2], line[2..].Trim()) : (line, "")
            : (line[..end], line[(end + 1)..].Trim().Trim('"', '\''));
    }

    private static bool IsAddress(string text)
    {
        var bare = text.StartsWith("git+", StringComparison.Ordinal) ? text[4..] : text;
        return bare.StartsWith("https://", StringComparison.OrdinalIgnoreCase) || bare.StartsWith("http://", StringComparison.OrdinalIgnoreCase);
    }

    private void Refuse(string place, string why)
    {
        if (_errors.Count < ErrorsMax)
        {
            _errors.Add($"{place}: {why}.");
        }
    }
}
