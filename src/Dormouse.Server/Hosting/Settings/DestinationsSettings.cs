using System.Collections.Immutable;
using System.Net;

namespace Dormouse.Server.Hosting.Settings;

/// <summary>Outcomes that are sent to addresses outside.</summary>
internal sealed record DestinationsSettings
{
    /// <summary>Networks that are not of the public internet and may be sent to all the same, such as 10.1.0.0/16. Default none.</summary>
    public required ImmutableArray<IPNetwork> AllowNetworks { get; init; }

    /// <summary>Brokers that outcomes may be sent to, as <see cref="BrokerAddress"/> writes them. Default none.</summary>
    public required ImmutableArray<string> Brokers { get; init; }

    /// <summary>How long a destination has for its answer, connecting included. Default 20 s, 1 s to 60 s.</summary>
    public required TimeSpan Timeout { get; init; }

    public static DestinationsSettings Read(SettingsReader reader) => new()
    {
        AllowNetworks = reader.Parse<ImmutableArray<IPNetwork>>(
            "destinations.allow_networks", [], NetworkList.Parse, "networks with commas between them, such as 10.1.0.0/16, 192.168.7.4/32 or fd00::/8"),
        Brokers = reader.Parse<ImmutableArray<string>>(
            "destinations.brokers", [], BrokerList, "addresses of brokers with commas between them, such as nats://broker:4222, sqs+https://sqs.eu-central-1.amazonaws.com"),
        Timeout = reader.Duration("destinations.timeout", TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60)),
    };

    private static ImmutableArray<string>? BrokerList(string text)
    {
        var brokers = text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Select(part => Uri.TryCreate(part, UriKind.Absolute, out var url) && url.UserInfo.Length == 0 && url.AbsolutePath is "" or "/" ? BrokerAddress.Of(url) : null).ToList();
        return brokers.Contains(null) ? null : [.. brokers.OfType<string>()];
    }
}
