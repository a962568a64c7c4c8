using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Dormouse.EndToEnd.Tests.Running;

/// <summary>One run of the command line as a person or a script runs it, and what it left.</summary>
internal sealed record CommandRun(int ExitCode, string Output, string Error)
{
    public JsonNode Json => JsonNode.Parse(Output) ?? throw new InvalidOperationException("The output is null.");

    /// <param name="environment">Beside this process's own, without what names a server there.</param>
    /// <param name="arguments">As a shell would split them.</param>
    /// <param name="input">Text on standard input.</param>
    public static async Task<CommandRun> AnyAsync(IReadOnlyDictionary<string, string> environment, string[] arguments, string? input, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(Checkout.Dormouse, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Path.GetTempPath(),
        };
        foreach (var name in (string[])["DORMOUSE_SERVER", "DORMOUSE_API_KEY", "DORMOUSE_DATA"])
        {
            start.Environment.Remove(name);
        }

        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start) ?? throw new InvalidOperationException("The command did not start.");
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
        var error = process.StandardError.ReadToEndAsync(cancellationToken);
        try
        {
            await process.WaitForExitAsync(cancellationToken);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }

        return new CommandRun(process.ExitCode, await output, await error);
    }

    /// <summary>With an empty standard input.</summary>
    public static Task<CommandRun> AnyAsync(IReadOnlyDictionary<string, string> environment, string[] arguments, CancellationToken cancellationToken) =>
        AnyAsync(environment, arguments, null, cancellationToken);

    public static Task<CommandRun> OfAsync(RunningServer server, CancellationToken cancellationToken, params string[] arguments) =>
        AnyAsync(EnvironmentOf(server), arguments, cancellationToken);

    /// <summary>With this text on standard input.</summary>
    public static Task<CommandRun> WithInputAsync(RunningServer server, string input, CancellationToken cancellationToken, params string[] arguments) =>
        AnyAsync(EnvironmentOf(server), arguments, input, cancellationToken);

    /// <summary>The command must succeed.</summary>
    public static async Task<CommandRun> DoneAsync(RunningServer server, CancellationToken cancellationToken, params string[] arguments)
    {
        var run = await OfAsync(server, cancellationToken, arguments);
        run.AssertExit(0);
        return run;
    }

    public void AssertExit(int code) => Assert.True(ExitCode == code, $"Exit code {ExitCode} instead of {code}.\n{Output}\n{Error}");

    private static Dictionary<string, string> EnvironmentOf(RunningServer server) => new(StringComparer.Ordinal)
    {
        ["DORMOUSE_SERVER"] = server.Address.ToString(),
        ["DORMOUSE_API_KEY"] = server.Key,
    };
}
