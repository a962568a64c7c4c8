using System.CommandLine;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Deploy;

/// <summary>Options of <c>deploy</c> that say what a function needs of its interpreter.</summary>
internal sealed class PythonOptions
{
    private readonly Option<string?> _python = new("--python") { HelpName = "version", Description = "Version of the interpreter, such as 3.11. Default: the server's own." };
    private readonly Option<string[]> _pip = new("--pip") { HelpName = "requirement", Description = "Package to install, such as numpy==1.26.4; may be repeated." };
    private readonly Option<string?> _requirements = new("--requirements") { HelpName = "file", Description = "Requirements file in the folder; none: not even requirements.txt, which else counts when it is there." };
    private readonly Option<bool?> _systemPackages = new("--system-packages") { Description = "What is installed sees the system's packages too. Default: only where nothing is installed." };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _python, _pip, _requirements, _systemPackages })
        {
            command.Add(option);
        }
    }

    public RevisionSettings Read(ParseResult parsed, RevisionSettings settings) => settings with
    {
        Python = parsed.GetValue(_python),
        Pip = parsed.GetValue(_pip) is { Length: > 0 } pip ? [.. pip] : null,
        Requirements = parsed.GetValue(_requirements),
        SystemPackages = parsed.GetValue(_systemPackages),
    };
}
