using System.CommandLine;
using System.Text.RegularExpressions;
using Dormouse.Cli.Commands;

namespace Dormouse.Cli.Tests.Commands;

/// <summary>docs/cli.md and the pages that it leads to, against the commands that there are.</summary>
public sealed partial class DocumentationTests
{
    [Fact]
    public void Every_command_is_in_the_table_of_commands()
    {
        using var shell = new Shell();
        var table = Commands().Match(File.ReadAllText(Path.Combine(Docs, "cli.md"))).Value;
        var rows = Row().Matches(table).Select(m => m.Groups[1].Value).ToList();

        var missing = Tree(shell).Subcommands.Where(c => !c.Hidden)
            .SelectMany(c => c.Subcommands.Where(s => !s.Hidden).Select(s => (c.Name, Inner: (string?)s.Name)).Prepend((c.Name, null)))
            .Where(c => !rows.Any(r => Has(r, c.Name) && (c.Inner is null || Has(r, c.Inner))))
            .Select(c => $"{c.Name} {c.Inner}");

        Assert.Empty(missing);

        static bool Has(string row, string word) => Regex.IsMatch(row, $"[`|]{word}[` |]|[` |]{word}[`| ]");
    }

    [Fact]
    public void Every_option_is_documented_somewhere()
    {
        using var shell = new Shell();
        var pages = string.Join('\n', Directory.EnumerateFiles(Docs, "*.md").Concat(Directory.EnumerateFiles(Path.Combine(Docs, "spec"), "*.md")).Select(File.ReadAllText));
        var documented = OptionName().Matches(pages).Select(m => m.Value).ToHashSet(StringComparer.Ordinal);

        var missing = Within(Tree(shell)).SelectMany(c => c.Options.Where(o => !o.Hidden).Select(o => (Command: c.Name, o.Name)))
            .Where(o => o.Name is not ("--help" or "--version") && !documented.Contains(o.Name)).Select(o => $"{o.Command} {o.Name}").Distinct();

        Assert.Empty(missing);
    }

    private static string Docs { get; } = Path.Combine(Root(), "docs");

    private static RootCommand Tree(Shell shell) => CommandTree.Create(new GlobalOptions(shell.Surroundings(TextWriter.Null, TextWriter.Null, Stream.Null)));

    private static IEnumerable<Command> Within(Command command) => command.Subcommands.SelectMany(Within).Prepend(command);

    private static string Root()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Dormouse.slnx")))
        {
            folder = Path.GetDirectoryName(folder)!; // The tests run within the checkout.
        }

        return folder;
    }

    [GeneratedRegex("## Commands\n.*?\n## ", RegexOptions.Singleline)]
    private static partial Regex Commands();

    [GeneratedRegex(@"^(\| `.*)\| ", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex("--[a-z][a-z-]*[a-z]")]
    private static partial Regex OptionName();
}
