using System.Collections.Immutable;
using System.Net;

namespace Dormouse.Server.Hosting.Settings;

/// <summary>Outcomes that are sent to addresses outside.</summary>
internal sealed record DestinationsSettings
{
    /// <summary>Networks that are not of the public internet and may be sent to all the same, such as 10.1.0.0/16. Default none.</summary>
    public required ImmutableArray<IPNetwork> AllowNetworks { get; init; }

    /// <summary>How long a destination has for its answer, connecting included. Default 20 s, 1 s to 60 s.</summary>
    public required TimeSpan Timeout { get; init; }

    public static DestinationsSettings Read(SettingsReader reader) => new()
    {
        AllowNetworks = reader.Parse<ImmutableArray<IPNetwork>>(
            "destinations.allow_networks", [], Networks, "networks with commas between them, such as 10.1.0.0/16, 192.168.7.4/32 or fd00::/8"),
        Timeout = reader.Duration("destinations.timeout", TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60)),
    };

    private static ImmutableArray<IPNetwork>? Networks(string text)
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
}
