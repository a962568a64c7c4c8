using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;

namespace Dormouse.Server.Hosting.Settings;

/// <summary>Networks as settings list them, with commas between them.</summary>
internal static class NetworkList
{
    /// <summary>Null when one of them is none.</summary>
    public static ImmutableArray<IPNetwork>? Parse(string text)
    {
        var networks = ImmutableArray.CreateBuilder<IPNetwork>();
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (!IPNetwork.TryParse(part, out var network))
            {
                return null;
            }

            networks.Add(network);
        }

        return networks.ToImmutable();
    }

    /// <summary>Null also when one of them is of IPv6.</summary>
    public static ImmutableArray<IPNetwork>? ParseV4(string text) =>
        Parse(text) is { } networks && networks.All(network => network.BaseAddress.AddressFamily == AddressFamily.InterNetwork) ? networks : null;
}
