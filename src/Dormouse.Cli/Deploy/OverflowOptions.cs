using System.CommandLine;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Deploy;

/// <summary>Options of <c>deploy</c> that name who takes invocations when there is no capacity.</summary>
internal sealed class OverflowOptions
{
    private readonly Option<string?> _url = new("--overflow") { HelpName = "url", Description = "Another server, or the address of another endpoint, that takes calls when there is no capacity here." };
    private readonly Option<int?> _max = new("--overflow-max") { HelpName = "n", Description = "Most calls there at once. Default: 20." };
    private readonly Option<string?> _keyFile = new("--overflow-key-file") { HelpName = "name", Description = "File in the server's folder overflow-keys that holds its key." };
    private readonly Option<string?> _keyEnv = new("--overflow-key-env") { HelpName = "name", Description = "The server's variable DORMOUSE_OVERFLOW_KEY_… that holds its key." };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _url, _max, _keyFile, _keyEnv })
        {
            command.Add(option);
        }
    }

    /// <summary>Null without <c>--overflow</c>.</summary>
    public OverflowSettings? Read(ParseResult parsed)
    {
        var (max, file, variable) = (parsed.GetValue(_max), parsed.GetValue(_keyFile), parsed.GetValue(_keyEnv));
        if (parsed.GetValue(_url) is { } url)
        {
            return new OverflowSettings(url, max, file, variable);
        }

        var alone = max is not null ? _max.Name : file is not null ? _keyFile.Name : variable is not null ? _keyEnv.Name : null;
        return alone is null ? null : throw CommandException.Usage($"{alone} needs {_url.Name} URL.");
    }
}
