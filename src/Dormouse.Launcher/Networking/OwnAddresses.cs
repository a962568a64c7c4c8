using System.Collections.Immutable;

namespace Dormouse.Launcher.Networking;

/// <summary>The IPv4 addresses at which this machine is reached, and those of broadcasts to its networks.</summary>
internal static class OwnAddresses
{
    private const string Routes = "/proc/net/fib_trie";

    /// <summary>As they are now.</summary>
    /// <exception cref="IOException">The kernel does not say.</exception>
    public static ImmutableArray<string> Read() => Parse(File.ReadLines(Routes));

    /// <summary>An address stands in a line of its own (<c>|-- 10.1.2.3</c>) and below it what it is (<c>/32 host LOCAL</c>, <c>/32 link BROADCAST</c>).</summary>
    public static ImmutableArray<string> Parse(IEnumerable<string> lines)
    {
        var found = new SortedSet<string>(StringComparer.Ordinal);
        var address = "";
        foreach (var line in lines)
        {
            var text = line.Trim();
            if (text.StartsWith("|-- ", StringComparison.Ordinal))
                address = text[4..];
            else if (address.Length > 0 && text.StartsWith("/32 ", StringComparison.Ordinal) && (text.EndsWith(" LOCAL", StringComparison.Ordinal) || text.EndsWith(" BROADCAST", StringComparison.Ordinal)))
                found.Add(address);
        }

        return [.. found];
    }
}
