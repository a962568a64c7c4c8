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
        RefuseDots(argument);
        return argument;
    }

    /// <summary>As a part of an address these would name another one.</summary>
    public static void RefuseDots(Argument<string> argument) => argument.Validators.Add(result =>
    {
        if (result.Tokens.FirstOrDefault(t => t.Value is "." or "..") is { } dots)
        {
            result.AddError($"'{dots.Value}' is no {argument.Name}.");
        }
    });

    /// <summary>No argument or option of these commands may be empty, except those whose empty value has a meaning.</summary>
    public static void RefuseEmpty(Command command, IReadOnlyCollection<string> mayBeEmpty)
    {
        foreach (var argument in command.Arguments)
        {
            argument.Validators.Add(result => RefuseEmpty(result, argument.HelpName ?? argument.Name));
        }

        foreach (var option in command.Options.Where(o => !mayBeEmpty.Contains(o.Name)))
        {
            option.Validators.Add(result => RefuseEmpty(result, option.Name));
        }

        foreach (var child in command.Subcommands)
        {
            RefuseEmpty(child, mayBeEmpty);
        }
    }

    private static void RefuseEmpty(SymbolResult result, string what)
    {
        if (result.Tokens.Any(t => string.IsNullOrWhiteSpace(t.Value)))
        {
            result.AddError($"{what} is empty.");
        }
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
