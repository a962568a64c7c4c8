using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Globalization;

namespace Dormouse.Server.Hosting.Settings;

/// <summary>The part of a broker's address that an operator allows: scheme, host and port.</summary>
internal static class BrokerAddress
{
    private static readonly FrozenDictionary<string, int> Ports = new Dictionary<string, int>
    {
        ["nats"] = 4222,
        ["tls"] = 4222,
        ["redis"] = 6379,
        ["rediss"] = 6379,
        ["amqp"] = 5672,
        ["amqps"] = 5671,
        ["kafka"] = 9092,
        ["kafkas"] = 9093,
        ["sqs+https"] = 443,
        ["sqs+http"] = 80,
    }.ToFrozenDictionary();

    public static ImmutableArray<string> Schemes => [.. Ports.Keys.Order(StringComparer.Ordinal)];

    /// <summary><c>nats://broker:4222</c>; null = it is no broker's.</summary>
    public static string? Of(Uri url) => Ports.TryGetValue(url.Scheme, out var port) && url.Host.Length > 0
        ? string.Create(CultureInfo.InvariantCulture, $"{url.Scheme}://{url.IdnHost.ToLowerInvariant()}:{(url.Port < 0 ? port : url.Port)}")
        : null;
}
