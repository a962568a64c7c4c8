using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Brokers.Outlets;

/// <summary>Reads addresses of brokers that outcomes are sent to. What is no part of a plain address is in the query.</summary>
internal static class OutletUrl
{
    public static ImmutableSortedDictionary<string, string> Query(Uri url)
    {
        var pairs = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var part in url.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var at = part.IndexOf('=', StringComparison.Ordinal);
            pairs[Uri.UnescapeDataString(at < 0 ? part : part[..at])] = at < 0 ? "" : Uri.UnescapeDataString(part[(at + 1)..].Replace('+', ' '));
        }

        return pairs.ToImmutable();
    }

    public static string? Password(Uri url) => SourceText.Password(Query(url));

    /// <summary>The path without its first slash.</summary>
    public static string Path(Uri url) => Uri.UnescapeDataString(url.AbsolutePath.TrimStart('/'));

    /// <summary>Null when the address has no password, and nothing in its query but what is known.</summary>
    public static string? Fault(Uri url, params string[] known)
    {
        var query = Query(url);
        string[] all = [.. known, SourceText.PasswordKey.Name];
        return url.UserInfo.Contains(':', StringComparison.Ordinal) ? $"it holds a password, which everybody would see; name a variable of the server's environment instead: ?{SourceText.PasswordKey.Name}=DORMOUSE_SECRET_…"
            : query.Keys.FirstOrDefault(k => !all.Contains(k)) is { } unknown ? $"its query has '{ShownText.Of(unknown)}'; it may have {string.Join(", ", all)}"
            : SourceText.PasswordFault(query);
    }
}
