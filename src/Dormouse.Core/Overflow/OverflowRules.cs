using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Overflow;

/// <summary>Which overflow addresses a revision may have.</summary>
public static class OverflowRules
{
    public const int MaxByDefault = 20;
    public const int MaxMost = 1_000;

    /// <summary>Begins every variable that may hold a key: a revision must not name the server's other secrets.</summary>
    public const string KeyEnvPrefix = "DORMOUSE_OVERFLOW_KEY_";

    private const int LengthMax = 2_048;

    /// <summary>Applies the defaults (20 at once, no key) and checks every bound.</summary>
    /// <param name="wishes">Null = no overflow.</param>
    /// <returns>Null when there is none or it is refused.</returns>
    internal static OverflowPolicy? Apply(SpecCheck check, OverflowWishes? wishes)
    {
        if (wishes is null)
        {
            return null;
        }

        var max = check.Count("overflow.max", wishes.Max ?? MaxByDefault, 1, MaxMost);
        if (wishes is { KeyFile: { } both, KeyEnv: not null })
        {
            check.Refuse("overflow.key_file", both, $"overflow.key_file is '{ShownText.Of(both)}' and overflow.key_env is set, too; allowed is one of them.");
        }

        if (wishes.KeyFile is { } file && !IsFileName(file))
        {
            check.Refuse(
                "overflow.key_file", file, $"overflow.key_file is '{ShownText.Of(file)}'; allowed is the name of a file in the server's folder overflow-keys, of letters, digits, '.', '_' and '-', not beginning with '.'.");
        }

        if (wishes.KeyEnv is { } variable && !IsVariable(variable))
        {
            check.Refuse("overflow.key_env", variable, $"overflow.key_env is '{ShownText.Of(variable)}'; allowed are names that begin with {KeyEnvPrefix} and go on with capital letters, digits and '_'.");
        }

        return Url(check, wishes.Url) is { } url ? new OverflowPolicy(url, max, wishes.KeyFile, wishes.KeyEnv) : null;
    }

    private static string? Url(SpecCheck check, string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            check.Refuse("overflow.url", "", "overflow.url is missing; allowed is an address such as https://other:8080.");
            return null;
        }

        var isAllowed = text.Length <= LengthMax && Uri.TryCreate(text, UriKind.Absolute, out var url)
            && (url.Scheme == Uri.UriSchemeHttps || url.Scheme == Uri.UriSchemeHttp)
            && url is { UserInfo: "", Query: "", Fragment: "", Host: not "" };
        if (!isAllowed)
        {
            check.Refuse(
                "overflow.url", text, $"overflow.url is '{ShownText.Of(text)}'; allowed is an absolute http or https address without user, query and fragment, such as https://other:8080. A key belongs into overflow.key_file or overflow.key_env.");
        }

        return isAllowed ? text : null;
    }

    private static bool IsFileName(string name) =>
        name.Length is >= 1 and <= 64 && name[0] != '.' && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');

    private static bool IsVariable(string name) =>
        name.Length <= 128 && name.StartsWith(KeyEnvPrefix, StringComparison.Ordinal) && name.Length > KeyEnvPrefix.Length
        && name.All(c => char.IsAsciiLetterUpper(c) || char.IsAsciiDigit(c) || c == '_');
}
