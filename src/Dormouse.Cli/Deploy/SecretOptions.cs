using System.Collections.Immutable;
using System.CommandLine;
using Dormouse.Cli.Terminal;
using Dormouse.Core.Secrets;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Deploy;

/// <summary>Options of <c>deploy</c> that name secrets.</summary>
internal sealed class SecretOptions
{
    private readonly Option<string[]> _secrets = new("--secret") { HelpName = "[VAR=]NAME", Description = "Secret that the function gets as a variable, of the secret's name or another ('dormouse secret set' sets its value); may be repeated." };
    private readonly Option<string[]> _files = new("--secret-file") { HelpName = "FILE=NAME", Description = "Secret that the function gets as a file of this name in the folder $DORMOUSE_SECRETS; may be repeated." };

    public void AddTo(Command command)
    {
        command.Add(_secrets);
        command.Add(_files);
    }

    public RevisionSettings Read(ParseResult parsed, RevisionSettings settings) => settings with
    {
        Secrets = Pairs(parsed.GetValue(_secrets)),
        SecretFiles = parsed.GetValue(_files)?.FirstOrDefault(f => !f.Contains('=', StringComparison.Ordinal)) is { } wrong
            ? throw CommandException.Usage($"--secret-file is '{wrong}'; write it like FILE=NAME.")
            : Pairs(parsed.GetValue(_files)),
    };

    /// <summary>NAME or VAR=NAME each; null for none.</summary>
    public static ImmutableSortedDictionary<string, string>? Pairs(IEnumerable<string>? texts)
    {
        var pairs = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var text in texts ?? [])
        {
            var (target, name) = SecretRules.Parse(text);
            pairs[target] = name;
        }

        return pairs.Count == 0 ? null : pairs.ToImmutable();
    }
}
