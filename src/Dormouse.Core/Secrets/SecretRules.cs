using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Secrets;

/// <summary>Names and sizes of secrets, and how a revision names those that its instances get.</summary>
public static class SecretRules
{
    /// <summary>Longest name, characters.</summary>
    public const int NameLengthMax = 100;

    /// <summary>Longest value, bytes.</summary>
    public const int ValueBytesMax = 32 * 1024;

    /// <summary>All values that one instance gets, bytes together: they travel in one message.</summary>
    public const int InstanceBytesMax = 64 * 1024;

    /// <summary>Variables and files of one revision, each.</summary>
    public const int UsesMax = 64;

    /// <summary>Secrets of one tenant.</summary>
    public const int SecretsMax = 1000;

    private const string Allowed = "letters, digits, '_', '-' and '.', beginning with a letter or '_'";

    /// <summary>What is wrong with the name of a secret, or of a file that holds one; null when nothing is.</summary>
    public static string? NameRefusal(string name) =>
        name.Length is > 0 and <= NameLengthMax && (char.IsAsciiLetter(name[0]) || name[0] == '_') && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.')
            ? null
            : $"'{ShownText.Of(name)}' is no name of a secret; allowed are {Allowed}, at most {NameLengthMax}.";

    /// <summary>What a user is to type for a secret that is missing.</summary>
    public static string HowToSet(string name) => $"dormouse secret set {name}";

    /// <summary>Reads <c>NAME</c> (a variable of the secret's own name) or <c>VARIABLE=NAME</c>.</summary>
    public static (string Target, string Name) Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var split = text.IndexOf('=', StringComparison.Ordinal);
        return split < 0 ? (text, text) : (text[..split], text[(split + 1)..]);
    }

    /// <summary>Every secret that a revision names, once each, in order of name.</summary>
    public static ImmutableArray<string> NamesOf(RevisionSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return spec.Secrets.IsEmpty && spec.SecretFiles.IsEmpty ? [] : [.. spec.Secrets.Values.Concat(spec.SecretFiles.Values).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    }

    /// <summary>Variables of a spec, checked: variable → secret.</summary>
    internal static ImmutableSortedDictionary<string, string> Variables(SpecCheck check, RevisionWishes wishes)
    {
        var entries = check.Variables("secrets", wishes.Secrets, UsesMax);
        foreach (var (variable, name) in entries)
        {
            CheckName(check, "secrets", name);
            if (wishes.Environment?.ContainsKey(variable) is true)
            {
                check.Refuse("secrets", variable, $"secrets has the variable '{variable}', which environment sets too; allowed is one of them.");
            }
        }

        // One and the same where there are none, so that specs without secrets are equal.
        return entries.IsEmpty ? ImmutableSortedDictionary<string, string>.Empty : entries;
    }

    /// <summary>Files of a spec, checked: name of the file → secret.</summary>
    internal static ImmutableSortedDictionary<string, string> Files(SpecCheck check, RevisionWishes wishes)
    {
        var entries = check.Bounded("secret_files", wishes.SecretFiles, UsesMax);
        foreach (var (file, name) in entries)
        {
            if (NameRefusal(file) is not null)
            {
                check.Refuse("secret_files", file, $"secret_files has the file '{ShownText.Of(file)}'; allowed is a file's name without a folder: {Allowed}, at most {NameLengthMax}.");
            }

            CheckName(check, "secret_files", name);
        }

        // One and the same where there are none, so that specs without secrets are equal.
        return entries.IsEmpty ? ImmutableSortedDictionary<string, string>.Empty : entries;
    }

    internal static void OnlyForFunctions(SpecCheck check, RevisionWishes wishes, RuntimeKind runtime)
    {
        var (setting, entries) = wishes.Secrets is { IsEmpty: false } variables ? ("secrets", variables) : ("secret_files", wishes.SecretFiles);
        if (runtime.RunsModels && entries is { IsEmpty: false })
        {
            check.Refuse(setting, entries.Keys.First(), $"{setting} has '{ShownText.Of(entries.Keys.First())}', but the runtime is {runtime.Name}; a model reads no secrets, only functions do. Leave it out.");
        }
    }

    private static void CheckName(SpecCheck check, string setting, string name)
    {
        if (NameRefusal(name) is { } refusal)
        {
            check.Refuse(setting, name, $"{setting}: {refusal}");
        }
    }
}
