namespace Dormouse.Cli.Terminal;

/// <summary>A command ends here with a sentence for the person who typed it.</summary>
/// <param name="exitCode">One of <see cref="ExitCodes"/>.</param>
/// <param name="code">Code of the problem document on <c>--output json</c>.</param>
internal sealed class CommandException(int exitCode, string code, string message) : Exception(message)
{
    public int ExitCode { get; } = exitCode;

    public string Code { get; } = code;

    /// <summary>The command line itself is wrong.</summary>
    public static CommandException Usage(string message) => new(ExitCodes.Usage, "usage_invalid", message);

    /// <summary>A local file, folder or address cannot be used.</summary>
    public static CommandException BadSource(string message) => new(ExitCodes.Refused, "source_invalid", message);

    public static CommandException Failed(string code, string message) => new(ExitCodes.Failed, code, message);
}
