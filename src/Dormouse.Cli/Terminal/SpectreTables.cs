using Spectre.Console;

namespace Dormouse.Cli.Terminal;

/// <summary>Tables. Apart from <see cref="Screen"/>, so that commands without a table never load the library.</summary>
internal static class SpectreTables
{
    /// <summary>Width when nobody looks: wide enough that no cell is broken over lines.</summary>
    private const int WidthWithoutTerminal = 4096;

    public static void Write(TextWriter destination, bool isTerminal, IReadOnlyList<string> headings, IEnumerable<IReadOnlyList<string>> rows)
    {
        var console = Console(destination, isTerminal);
        var table = new Table { Border = TableBorder.None, ShowHeaders = true };
        foreach (var heading in headings)
        {
            var isNumber = heading.StartsWith('>');
            var title = isNumber ? heading[1..] : heading;
            var column = new TableColumn(new Text(title, isTerminal ? new Style(decoration: Decoration.Bold) : Style.Plain)) { NoWrap = true, Padding = new Padding(0, 0, 3, 0) };
            table.AddColumn(isNumber ? column.RightAligned() : column);
        }

        foreach (var row in rows)
        {
            // Text, not markup: nothing that a user named can be read as a style.
            table.AddRow(row.Select(cell => new Text(cell)));
        }

        console.Write(table);
    }

    public static IAnsiConsole Console(TextWriter destination, bool isTerminal)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = isTerminal ? AnsiSupport.Detect : AnsiSupport.No,
            Interactive = isTerminal ? InteractionSupport.Detect : InteractionSupport.No,
            Out = new AnsiConsoleOutput(destination),
        });
        if (!isTerminal)
        {
            console.Profile.Width = WidthWithoutTerminal;
        }

        return console;
    }
}
