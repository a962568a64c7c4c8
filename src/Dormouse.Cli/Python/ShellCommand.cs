using System.CommandLine;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Deploy;
using Dormouse.Cli.Environments;
using Dormouse.Cli.Hosting;
using Dormouse.Cli.LocalFiles;
using Dormouse.Cli.Terminal;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Python;

/// <summary><c>dormouse shell app.py</c>: an interactive interpreter in the environment that the file's functions get, on the server's machine.</summary>
internal static class ShellCommand
{
    public static Command Create(GlobalOptions globals)
    {
        var source = new Argument<string>("source") { HelpName = "file.py", Description = "A Python file, as for deploy." };
        var function = new Option<string?>("--function") { HelpName = "name", Description = "Whose environment, where functions of the file have different ones." };
        var options = new PythonOptions();
        Arguments.RefuseOptions(source);
        var command = new CliCommand(
            "shell",
            "Open an interpreter in the environment that a file's functions get, with the file imported. On the server's machine, as yourself, outside of any instance.",
            "dormouse shell app.py",
            "dormouse shell app.py --function classify") { source, function };
        options.AddTo(command);
        command.HandlesSignals = true;
        return command.Runs(globals, (session, parsed, cancellationToken) =>
            RunAsync(session, parsed.GetRequiredValue(source), parsed.GetValue(function), options.Read(parsed, new RevisionSettings()), cancellationToken));
    }

    private static async Task<int> RunAsync(Session session, string file, string? function, RevisionSettings settings, CancellationToken cancellationToken)
    {
        var source = await LocalFile.RunAsync(() => SourceReader.Read(file, RuntimeKind.Python.Name), cancellationToken);
        if (source.Python?.Module is not { } module)
        {
            throw CommandException.BadSource($"'{file}' is no Python file. Name the file of the app.");
        }

        var interpreter = await InterpreterAsync(session, source, new PythonHandler(module, function), settings, cancellationToken);
        using var interruption = new Interruption(cancellationToken);
        var start = LocalPython.Start(session, ["-i", "-m", "dormouse.shell", Path.GetFullPath(file)]);
        start.FileName = interpreter ?? start.FileName;
        start.Environment["DORMOUSE_SERVER"] = session.Location.Address.ToString();
        using var process = LocalPython.Run(start);
        while (!process.HasExited)
        {
            try
            {
                await process.WaitForExitAsync(interruption.Token);
            }
            catch (OperationCanceledException)
            {
                // Ctrl-C is the interpreter's, which has it from the terminal too, and goes on.
                await process.WaitForExitAsync(cancellationToken);
            }
        }

        return process.ExitCode;
    }

    /// <summary>Path of the environment's interpreter; null = the functions have none of their own.</summary>
    private static async Task<string?> InterpreterAsync(Session session, PackageSource source, PythonHandler handler, RevisionSettings settings, CancellationToken cancellationToken)
    {
        var deployer = new Deployer(session);
        var version = await deployer.HashAsync(source.Versions[0], cancellationToken);
        await deployer.UploadAsync(source.Name, version, cancellationToken);
        var request = Deployer.Request(version, handler.ToString(), settings);
        var environments = await EnvironmentWatch.BuildAsync(session, request, cancellationToken);
        if (environments.Length > 1)
        {
            throw CommandException.Usage($"The functions of {handler.Module} have {environments.Length} environments. Say whose with --function NAME.");
        }

        if (environments.IsEmpty)
        {
            return null;
        }

        var path = Path.Combine(DataFolder.Default(session.Surroundings), "environments", environments[0], "venv", "bin", "python");
        return File.Exists(path)
            ? path
            : throw CommandException.Failed("environment_elsewhere", $"The environment {environments[0][..12]} is not on this machine, or in another data folder: there is no '{path}'. Run this on the server's machine, and name its data folder with DORMOUSE_DATA.");
    }
}
