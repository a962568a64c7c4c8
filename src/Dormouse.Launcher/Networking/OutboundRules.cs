using System.Collections.Immutable;
using System.Text;

namespace Dormouse.Launcher.Networking;

/// <summary>
/// Whom a sandbox with a way to the network may reach, as a table for nft that is loaded into the sandbox's own network, where the worker has no power over it; docs/spec/sandbox.md says the same to users.
/// Only IPv4: what is not named here, IPv6 and every protocol but TCP and UDP among it, is refused at once.
/// </summary>
internal static class OutboundRules
{
    /// <summary>The network between sandbox and uplink: of IANA's protocol assignments, where no machine is.</summary>
    public const string Between = "192.0.0.0/24";

    /// <summary>Where the uplink answers for the machine's own resolver.</summary>
    public const string Resolver = "192.0.0.3";

    /// <summary>The sandbox's interface.</summary>
    public const string Interface = "tap0";

    /// <summary>Refused whatever the operator allows: this host, loopback, link-local (where clouds keep their metadata), the network in between, multicast, reserved and broadcast; and every address of this machine.</summary>
    public static readonly ImmutableArray<string> Never = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", Between, "224.0.0.0/4", "240.0.0.0/4"];

    /// <summary>Private and other networks that are not of the public internet (IANA's special-purpose registry): refused unless the operator allows them.</summary>
    public static readonly ImmutableArray<string> Special =
    [
        "10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    ];

    /// <summary>The table, in nft's language.</summary>
    /// <param name="own">Addresses of this machine.</param>
    /// <param name="allowed">Networks of <see cref="Special"/> that may be reached.</param>
    /// <exception cref="FormatException">One of the networks is none of IPv4.</exception>
    public static string Table(IEnumerable<string> own, IEnumerable<string> allowed)
    {
        const string Refuse = "reject with icmpx admin-prohibited";
        var table = new StringBuilder("table inet dormouse {\n");
        AppendSet(table, "never", [.. Never, .. own]);
        AppendSet(table, "special", Special);
        AppendSet(table, "allowed", [.. allowed]);
        table.Append("chain output {\ntype filter hook output priority 0; policy drop;\n")
            .Append("oifname \"lo\" accept\n")
            .Append("ip daddr ").Append(Resolver).Append(" meta l4proto { tcp, udp } th dport 53 accept\n")
            .Append("ip daddr @never ").Append(Refuse).Append('\n')
            .Append("ip daddr @allowed meta l4proto { tcp, udp } accept\n")
            .Append("ip daddr @special ").Append(Refuse).Append('\n')
            .Append("meta nfproto ipv4 meta l4proto { tcp, udp } accept\n")
            .Append(Refuse).Append("\n}\n}\n");
        return table.ToString();
    }

    private static void AppendSet(StringBuilder table, string name, ImmutableArray<string> networks)
    {
        foreach (var network in networks)
        {
            // What is not a network would be another line of the table.
            if (!System.Net.IPNetwork.TryParse(network.Contains('/', StringComparison.Ordinal) ? network : network + "/32", out var parsed)
                || parsed.BaseAddress.AddressFamily != System.Net.Sockets.AddressFamily.InterNetwork)
                throw new FormatException($"'{network}' is no network of IPv4");
        }

        table.Append("set ").Append(name).Append(" { type ipv4_addr; flags interval; auto-merge;");
        if (!networks.IsEmpty)
            table.Append(" elements = { ").AppendJoin(", ", networks).Append(" };");
        table.Append(" }\n");
    }
}
