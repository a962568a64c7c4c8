using System.Text.RegularExpressions;
using Dormouse.Drivers.Tests.Support;
using Dormouse.Launcher.Networking;

namespace Dormouse.Drivers.Tests.Launcher;

public sealed partial class OutboundRulesTests
{
    [Fact]
    public void The_documented_networks_are_those_of_the_rules()
    {
        var section = File.ReadAllText(Path.Combine(Machine.Root, "docs/spec/sandbox.md")).Split("## Network")[1].Split("## System calls")[0];
        var rows = section.Split('\n').Where(line => line.StartsWith("| `", StringComparison.Ordinal)).Select(line => Networks().Matches(line.Split('|')[1]).Select(match => match.Groups[1].Value).ToArray()).ToArray();

        Assert.Equal(2, rows.Length);
        Assert.Equal(OutboundRules.Special, rows[0]);
        Assert.Equal(OutboundRules.Never, rows[1]);
    }

    [Fact]
    public void What_is_never_reached_comes_before_what_is_allowed_and_that_before_what_is_private()
    {
        var table = OutboundRules.Table(["25.1.1.2"], ["10.1.0.0/16"]);
        var order = ((string[])["policy drop", "oifname \"lo\" accept", "@never reject", "@allowed", "@special reject", "meta nfproto ipv4"]).Select(rule => table.IndexOf(rule, StringComparison.Ordinal)).ToArray();

        Assert.DoesNotContain(-1, order);
        Assert.Equal(order.Order(), order);
        Assert.Matches("set never .*25\\.1\\.1\\.2", table);
        Assert.Matches("set allowed .*10\\.1\\.0\\.0/16", table);
    }

    [Theory]
    [InlineData("fd00::/8")]
    [InlineData("10.0.0.0/8 } accept #")]
    [InlineData("10.0.0.0/33")]
    public void What_is_no_network_does_not_become_a_rule(string allowed) => Assert.Throws<FormatException>(() => OutboundRules.Table([], [allowed]));

    [Fact]
    public void The_machines_own_addresses_are_read_from_its_routes()
    {
        const string Routes = """
            Main:
              +-- 0.0.0.0/0 3 0 5
                 |-- 0.0.0.0
                    /0 universe UNICAST
                 +-- 10.7.0.0/24 2 0 2
                    |-- 10.7.0.0
                       /24 link UNICAST
                    |-- 10.7.0.9
                       /32 host LOCAL
                    |-- 10.7.0.255
                       /32 link BROADCAST
                 |-- 127.0.0.1
                    /32 host LOCAL
            """;

        Assert.Equal(["10.7.0.255", "10.7.0.9", "127.0.0.1"], OwnAddresses.Parse(Routes.Split('\n')));
        Assert.Contains("127.0.0.1", OwnAddresses.Read());
    }

    [GeneratedRegex("`([0-9./]+)`")]
    private static partial Regex Networks();
}
