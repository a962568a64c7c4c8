using System.CommandLine;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Commands;

/// <summary>A command with examples for its help.</summary>
internal sealed class CliCommand : Command
{
    /// <param name="examples">Command lines, each with its <c>dormouse</c>.</param>
    public CliCommand(string name, string description, params string[] examples)
        : base(name, description) => Examples = examples;

    public IReadOnlyList<string> Examples { get; }

    /// <summary>The command ends well on Ctrl-C by itself, however long that takes.</summary>
    public bool HandlesSignals { get; set; }

    public CliCommand HandlingSignals()
    {
        HandlesSignals = true;
        return this;
    }

    /// <summary>What the command does; every exception becomes an exit code and a sentence in one place.</summary>
    public CliCommand Runs(GlobalOptions globals, Func<Session, ParseResult, CancellationToken, Task<int>> body)
    {
        // Off the first thread: that one waits for Ctrl-C too, and must be free to end the program when a body blocks.
        SetAction((parsed, cancellationToken) => Task.Run(
            () => CommandRunner.RunAsync(globals.Open(parsed), session => body(session, parsed, cancellationToken), cancellationToken), CancellationToken.None));
        return this;
    }

    /// <summary>The same for a command that always ends well when it ends.</summary>
    public CliCommand Runs(GlobalOptions globals, Func<Session, ParseResult, CancellationToken, Task> body) =>
        Runs(globals, async (session, parsed, cancellationToken) =>
        {
            await body(session, parsed, cancellationToken);
            return ExitCodes.Done;
        });
}
