using System.CommandLine;
using System.CommandLine.Parsing;

namespace Dormouse.Cli.Commands;

/// <summary>Arguments and options that several commands share.</summary>
internal static class Arguments
{
    /// <summary>The endpoint that a command is about.</summary>
    public static Argument<string> Endpoint()
    {
        var argument = new Argument<string>("name") { Description = "Name of the endpoint.", HelpName = "name" };
        RefuseOptions(argument);
        return argument;
    }

    /// <summary>A mistyped option before the argument would else be taken for it.</summary>
    public static void RefuseOptions<T>(Argument<T> argument) => argument.Validators.Add(result =>
    {
        if (result.Tokens.FirstOrDefault(t => t.Value.Length > 1 && t.Value[0] == '-') is { } option && result.Parent is CommandResult { Command: var command })
        {
            result.AddError(UsageErrors.Unknown(command, option.Value));
        }
    });

    /// <summary>Splits "K=V"; a usage error names the option.</summary>
    public static KeyValuePair<string, string> Pair(string option, string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        return equals > 0
            ? KeyValuePair.Create(text[..equals], text[(equals + 1)..])
            : throw Terminal.CommandException.Usage($"{option} is '{text}'; write it like NAME=VALUE.");
    }

    /// <summary>"r3" or "3" → 3.</summary>
    public static int RevisionNumber(string text) =>
        int.TryParse(text.StartsWith('r') ? text[1..] : text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var number) && number > 0
            ? number
            : throw Terminal.CommandException.Usage($"'{text}' is no revision. Write it like r3; 'dormouse revisions' lists them.");
}
