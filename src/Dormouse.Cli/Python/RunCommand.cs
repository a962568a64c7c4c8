using System.Collections.Immutable;
using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Hosting;
using Dormouse.Cli.Terminal;
using Dormouse.Server.Hosting;

namespace Dormouse.Cli.Python;

/// <summary><c>dormouse run app.py::main</c>: a local entry point, whose calls of the app's functions go to the server.</summary>
internal static class RunCommand
{
    /// <summary>How long a program that was told to end may take for it.</summary>
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(5);

    public static Command Create(GlobalOptions globals)
    {
        var entry = new Argument<string>("entry") { HelpName = "file.py::function", Description = "The entry point: a function of a local file; without a function its only entry point." };
        var rest = new Argument<string[]>("arguments") { HelpName = "arguments", Description = "Passed on to it; write '--' before those that begin with '-'.", Arity = ArgumentArity.ZeroOrMore };
        Arguments.RefuseOptions(entry);
        var command = new CliCommand(
            "run",
            "Run a function of a local Python file, here and now. What it calls with .remote() runs on the server.",
            "dormouse run app.py::main",
            "dormouse run app.py::main -- --count 3 input.txt") { entry, rest };
        command.HandlesSignals = true;
        return command.Runs(globals, (session, parsed, cancellationToken) =>
            RunAsync(session, parsed.GetRequiredValue(entry), parsed.GetValue(rest) ?? [], cancellationToken));
    }

    private static async Task<int> RunAsync(Session session, string entry, string[] arguments, CancellationToken cancellationToken)
    {
        using var interruption = new Interruption(cancellationToken);
        var start = LocalPython.Start(session, ["-m", "dormouse.run", entry, .. arguments]);
        start.Environment["DORMOUSE_SERVER"] = session.Location.Address.ToString();
        if (session.Location.Key is { } key)
        {
            start.Environment["DORMOUSE_API_KEY"] = key;
        }

        using var process = LocalPython.Run(start);
        try
        {
            await process.WaitForExitAsync(interruption.Token);
        }
        catch (OperationCanceledException)
        {
            // On a terminal Ctrl-C has reached it too: it ends by itself, in its own way.
            await EndAsync(session, process);
        }

        return process.ExitCode;
    }

    private static async Task EndAsync(Session session, Process process)
    {
        using var limit = new CancellationTokenSource(EndLimit, session.Surroundings.Time);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None);
        }
    }
}

/// <summary>The Python of the person who runs the command line, with our package importable.</summary>
internal static class LocalPython
{
    private const string Interpreter = "DORMOUSE_PYTHON";
    private const string SearchPath = "PYTHONPATH";

    public static ProcessStartInfo Start(Session session, ImmutableArray<string> arguments)
    {
        var package = PythonPackage.Find(AppContext.BaseDirectory)
            ?? throw CommandException.Failed("installation_incomplete", "The folder 'python' with the Python package is not beside the program. Run './dormouse' once to build it.");
        var start = new ProcessStartInfo(session.Surroundings.Setting(Interpreter) ?? "python3");
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment[SearchPath] = session.Surroundings.Setting(SearchPath) is { } own ? package + Path.PathSeparator + own : package;
        return start;
    }

    public static Process Run(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start) ?? throw new InvalidOperationException("The program did not start.");
        }
        catch (Win32Exception e)
        {
            throw CommandException.Failed("python_missing", $"The program '{start.FileName}' does not start: {e.Message.TrimEnd('.')}. Install Python 3.9 or newer, or name it with {Interpreter}.");
        }
    }
}
