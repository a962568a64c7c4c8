using System.CommandLine;
using System.CommandLine.Invocation;
using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Commands;

/// <summary>From arguments to an exit code.</summary>
internal static class CommandLine
{
    /// <summary>How long a command may take to end after Ctrl-C.</summary>
    private static readonly TimeSpan TerminationLimit = TimeSpan.FromSeconds(2);

    /// <summary>No response files: <c>@file</c> is a value of <c>--json</c> and may be one of others.</summary>
    public static readonly ParserConfiguration Parsing = new() { ResponseFileTokenReplacer = null };

    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, Surroundings surroundings, CancellationToken cancellationToken)
    {
        var globals = new GlobalOptions(surroundings);
        var root = CommandTree.Create(globals);
        var parsed = root.Parse(arguments.Count == 0 ? ["--help"] : arguments, Parsing);
        if (parsed.Action is ParseErrorAction)
        {
            return UsageErrors.Report(parsed, new Screen(surroundings, globals.Format(parsed)));
        }

        return await parsed.InvokeAsync(
            new InvocationConfiguration
            {
                Output = surroundings.Out,
                Error = surroundings.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = parsed.CommandResult.Command is CliCommand { HandlesSignals: true } ? null : TerminationLimit,
            },
            cancellationToken);
    }
}
