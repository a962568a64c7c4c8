using System.CommandLine;
using Dormouse.Cli.Batches;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Commands;

/// <summary>Options that every command takes.</summary>
internal sealed class GlobalOptions
{
    private readonly Surroundings _surroundings;

    public GlobalOptions(Surroundings surroundings)
    {
        _surroundings = surroundings;
        Output.AcceptOnlyFromAmong("table", "json");
    }

    public Option<string?> Server { get; } = new("--server")
    {
        Description = "Address of the server. Without it: DORMOUSE_SERVER, then the server on this machine.",
        HelpName = "url",
        Recursive = true,
    };

    public Option<string?> Key { get; } = new("--key")
    {
        Description = "Key to use. Without it: DORMOUSE_API_KEY, then the local server's own key file.",
        HelpName = "key",
        Recursive = true,
    };

    public Option<string> Output { get; } = new("--output", "-o")
    {
        Description = "How results are printed.",
        DefaultValueFactory = _ => "table",
        Recursive = true,
    };

    public Session Open(ParseResult parsed) => new(_surroundings, Format(parsed), parsed.GetValue(Server), parsed.GetValue(Key));

    /// <summary>Also for a command line with errors. Of a command with an <c>--output</c> of its own, that one says it.</summary>
    public OutputFormat Format(ParseResult parsed) => parsed.CommandResult.Command.Options.FirstOrDefault(o => o.Name == Output.Name) is Option<string[]> own
        ? OutputOption.IsJson(parsed.GetResult(own)?.Tokens.Select(t => t.Value)) ? OutputFormat.Json : OutputFormat.Table
        : parsed.GetResult(Output) is { Errors: var errors } result && !errors.Any() && result.GetValueOrDefault<string>() == "json" ? OutputFormat.Json : OutputFormat.Table;
}
