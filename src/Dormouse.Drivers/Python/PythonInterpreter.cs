using System.Collections.Immutable;
using System.ComponentModel;
using System.Diagnostics;

namespace Dormouse.Drivers.Python;

/// <summary>What looking for the Python interpreter found.</summary>
internal abstract record PythonInterpreter
{
    /// <summary>Oldest version that the runner works with.</summary>
    public static readonly Version Oldest = new(3, 9);

    /// <summary>An interpreter that has not answered by then is none.</summary>
    public static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(10);

    private const string Question = "import sys; print(sys.executable); print('%d.%d.%d' % sys.version_info[:3]); print(sys.base_prefix); print(sys.base_exec_prefix); print(sys.prefix)";

    private PythonInterpreter()
    {
    }

    /// <param name="Path">The program itself, not a wrapper in front of it.</param>
    /// <param name="Folders">Where it and its libraries are.</param>
    public sealed record Found(string Path, Version Version, ImmutableArray<string> Folders) : PythonInterpreter;

    /// <param name="Reason">A sentence, with what mends it.</param>
    public sealed record Missing(string Reason) : PythonInterpreter;

    /// <summary>Runs the interpreter once and asks what it is: wrappers (as of pyenv) cost every start, and a path alone says nothing of the version.</summary>
    /// <param name="command">A path, or a name to look for in PATH.</param>
    public static async Task<PythonInterpreter> FindAsync(string command, TimeProvider time, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(AnswerLimit, time);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        var start = new ProcessStartInfo(command) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, WorkingDirectory = "/" };
        foreach (var argument in (string[])["-I", "-c", Question])
            start.ArgumentList.Add(argument);
        try
        {
            using var process = Process.Start(start);
            if (process is null)
                return NotThere(command, "it does not start");
            try
            {
                var answer = process.StandardOutput.ReadToEndAsync(ending.Token);
                var errors = process.StandardError.ReadToEndAsync(ending.Token);
                await process.WaitForExitAsync(ending.Token);
                await errors;
                return Read(command, process.ExitCode, await answer);
            }
            finally
            {
                if (!process.HasExited)
                    process.Kill(entireProcessTree: true);
            }
        }
        catch (Win32Exception exception)
        {
            return NotThere(command, exception.Message);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return NotThere(command, $"it did not answer within {AnswerLimit.TotalSeconds:0} s");
        }
    }

    private static PythonInterpreter Read(string command, int exitCode, string answer)
    {
        var lines = answer.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (exitCode != 0 || lines is not [var path, var version, .. var folders] || !Path.IsPathRooted(path) || !Version.TryParse(version, out var parsed))
            return NotThere(command, $"it ended with {exitCode} and did not say what it is");
        return parsed >= Oldest
            ? new Found(path, parsed, [.. folders.Distinct()])
            : new Missing($"'{command}' is Python {parsed}; {Oldest} or newer is needed for Python endpoints. Install one, or name it with workers.python.");
    }

    private static Missing NotThere(string command, string why) =>
        new($"Python endpoints need the program '{command}', and {why.TrimEnd('.')}. Install Python {Oldest} or newer, or name its path with workers.python.");
}
