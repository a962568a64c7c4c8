using System.Buffers;
using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Invoke;

/// <summary>Headers and methods that a person wants sent, judged before anything is: what HTTP cannot carry would else look like a server that does not answer.</summary>
internal static class RequestHeaders
{
    /// <summary>Characters of a token (RFC 9110, section 5.6.2).</summary>
    private static readonly SearchValues<char> Token = SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    /// <summary>They say where a request goes and where it ends, and follow from it.</summary>
    private static readonly string[] OfTheConnection = ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Expect", "Trailer", "Upgrade"];

    /// <summary>"Name: value".</summary>
    public static KeyValuePair<string, string> Parse(string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        if (colon <= 0)
        {
            throw CommandException.Usage($"--header is '{text}'; write it like 'Name: value'.");
        }

        var name = text[..colon].Trim();
        if (!IsToken(name))
        {
            throw CommandException.Usage($"--header names '{name}', which is no name of a header; allowed are letters, digits and '-', such as 'X-Order: 7'.");
        }

        return OfTheConnection.Contains(name, StringComparer.OrdinalIgnoreCase)
            ? throw CommandException.Usage($"--header names '{name}', which follows from the address and the body. Leave it out.")
            : Checked("--header", name, text[(colon + 1)..].Trim());
    }

    /// <param name="option">Where the value was given, for the message.</param>
    /// <param name="name">The header that carries it.</param>
    /// <param name="value">Printable ASCII.</param>
    public static KeyValuePair<string, string> Checked(string option, string name, string value) =>
        value.AsSpan().ContainsAnyExceptInRange(' ', '~')
            ? throw CommandException.Usage($"{option} is '{value}'; it travels as a header of HTTP, so allowed is one line of printable ASCII.")
            : KeyValuePair.Create(name, value);

    public static HttpMethod Method(string text) => IsToken(text)
        ? new HttpMethod(text.ToUpperInvariant())
        : throw CommandException.Usage($"--method is '{text}'; one word is needed, such as GET or PUT.");

    private static bool IsToken(string text) => text.Length > 0 && !text.AsSpan().ContainsAnyExcept(Token);
}
