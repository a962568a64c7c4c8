using System.CommandLine;
using System.CommandLine.Completions;
using System.CommandLine.Parsing;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Problems;

namespace Dormouse.Cli.Commands;

/// <summary>What is wrong with a command line, in one or a few sentences, with what may have been meant.</summary>
internal static class UsageErrors
{
    private const string UnknownOption = "Unknown option";

    public static int Report(ParseResult parsed, Screen screen)
    {
        var command = parsed.UnmatchedTokens is [var first, ..] ? CommandBefore(parsed, first) : parsed.CommandResult.Command;
        screen.Error(
            new ProblemDocument { Title = "The command line is not right", Detail = string.Join(' ', Sentences(parsed).Distinct()), Code = "usage_invalid" },
            $"See '{Path(command)} --help'{(command is CliCommand { Examples: [var example, ..] } ? $", for example: {example}" : "")}.");
        return ExitCodes.Usage;
    }

    private static IEnumerable<string> Sentences(ParseResult parsed)
    {
        if (parsed.Errors.FirstOrDefault(e => e.Message.StartsWith(UnknownOption, StringComparison.Ordinal)) is { } taken)
        {
            yield return taken.Message;
            yield break;
        }

        if (parsed.UnmatchedTokens is [var first, ..])
        {
            // The others are mostly the mistyped word's own values: naming them too would hide the cause.
            yield return FlagBefore(parsed, first) is { } flag ? NoFlag(flag, first) : Unknown(CommandBefore(parsed, first), first);
            yield break;
        }

        foreach (var error in parsed.Errors)
        {
            yield return Sentence(error, parsed.CommandResult);
        }
    }

    /// <summary>The command that a word was written after: in <c>kye list</c> the library goes on to find <c>list</c>, and <c>kye</c> is the mistake.</summary>
    private static Command CommandBefore(ParseResult parsed, string word)
    {
        Command at = parsed.RootCommandResult.Command;
        foreach (var token in parsed.Tokens)
        {
            if (token.Type == TokenType.Command && at.Subcommands.FirstOrDefault(c => c.Name == token.Value || c.Aliases.Contains(token.Value)) is { } next)
            {
                at = next;
            }
            else if (token.Value == word)
            {
                break;
            }
        }

        return at;
    }

    /// <summary>The option that takes true or false and that a word was written after: the library gives it no other word.</summary>
    private static Option? FlagBefore(ParseResult parsed, string word)
    {
        for (var i = 1; i < parsed.Tokens.Count; i++)
        {
            if (parsed.Tokens[i].Value == word && parsed.Tokens[i - 1] is { Type: TokenType.Option } before)
            {
                return parsed.CommandResult.Command.Options.FirstOrDefault(o => IsFlag(o.ValueType) && (o.Name == before.Value || o.Aliases.Contains(before.Value)));
            }
        }

        return null;
    }

    public static string Unknown(Command command, string word)
    {
        if (word.StartsWith('-'))
        {
            return $"{UnknownOption} '{word}'." + Suggestions.Question(word.Split('=')[0], OptionNames(command));
        }

        return command.Subcommands.Count > 0
            ? $"Unknown command '{word}'." + Suggestions.Question(word, command.Subcommands.SelectMany(c => c.Aliases.Prepend(c.Name)))
            : $"'{word}' is one argument too many.";
    }

    private static string Sentence(ParseError error, CommandResult command) => error.SymbolResult switch
    {
        ArgumentResult { Tokens.Count: 0 } argument => $"'{Path(command)}' needs {argument.Argument.HelpName ?? argument.Argument.Name}.",
        OptionResult { Tokens: [var value, ..], Option: { ValueType: var type } option } when IsNumber(type) && error.Message.StartsWith("Cannot parse", StringComparison.Ordinal) =>
            $"{option.Name} is '{value.Value}'; a number is needed.",
        ArgumentResult { Tokens: [var value, ..], Argument: { ValueType: var type } argument } when IsNumber(type) && error.Message.StartsWith("Cannot parse", StringComparison.Ordinal) =>
            $"{argument.HelpName ?? argument.Name} is '{value.Value}'; a number is needed.",
        OptionResult { Tokens: [.., var value] } option when error.Message.Contains("Must be one of", StringComparison.Ordinal) => NoChoice(option.Option, value.Value),
        CommandResult { Command.Subcommands.Count: > 0 } group => $"'{Path(group)}' needs one of: {string.Join(", ", group.Command.Subcommands.Select(c => c.Name))}.",
        _ => error.Message.ReplaceLineEndings(" ").Replace("\t", "", StringComparison.Ordinal),
    };

    private static bool IsNumber(Type type) => (Nullable.GetUnderlyingType(type) ?? type) is var t && (t == typeof(int) || t == typeof(long) || t == typeof(double));

    private static bool IsFlag(Type type) => (Nullable.GetUnderlyingType(type) ?? type) == typeof(bool);

    private static string NoFlag(Option option, string value) => $"{option.Name} is '{value}'; true or false is needed, and nothing means true.";

    private static string NoChoice(Option option, string value)
    {
        var allowed = option.GetCompletions(CompletionContext.Empty).Select(c => c.Label).ToArray();
        return $"{option.Name} is '{value}'; allowed is {string.Join(", ", allowed)}.{Suggestions.Question(value, allowed)}";
    }

    private static IEnumerable<string> OptionNames(Command command)
    {
        for (Symbol? symbol = command; symbol is Command c; symbol = c.Parents.FirstOrDefault())
        {
            foreach (var option in c.Options.Where(o => c == command || o.Recursive))
            {
                yield return option.Name;
            }
        }
    }

    private static string Path(CommandResult command) => Path(command.Command);

    private static string Path(Command command)
    {
        var words = new List<string>();
        for (Symbol? at = command; at is Command c; at = c.Parents.FirstOrDefault())
        {
            words.Insert(0, c is RootCommand ? CommandTree.Name : c.Name);
        }

        return string.Join(' ', words);
    }
}
