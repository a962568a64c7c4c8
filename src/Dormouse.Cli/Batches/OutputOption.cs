using System.CommandLine;

namespace Dormouse.Cli.Batches;

/// <summary>
/// <c>--output</c> of commands that write results: a file or folder, or, as for every other command, <c>table</c> or <c>json</c>; it may be given twice to say both. A file that is
/// called like a format is written <c>./json</c>.
/// </summary>
internal static class OutputOption
{
    private static readonly string[] Formats = ["table", "json"];

    public static Option<string[]> Create() => new("--output", "-o")
    {
        HelpName = "file|folder|table|json",
        Description = "Where the results go: a file (CSV when its name ends in .csv, else JSON lines), or a folder. 'table' or 'json' say how the job is printed, as elsewhere. May be given twice.",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };

    public static bool IsJson(IEnumerable<string>? values) => values?.LastOrDefault(Formats.Contains) == "json";

    /// <summary>The file or folder; null when only the format is said.</summary>
    public static string? Path(IEnumerable<string>? values) => values?.LastOrDefault(v => !Formats.Contains(v));
}
