using System.Collections.Immutable;
using Dormouse.Core.Destinations;
using RabbitMQ.Client;

namespace Dormouse.Brokers.Outlets;

/// <summary>Exchanges of RabbitMQ, with the broker's confirmation; what it cannot route to any queue it has not taken.</summary>
internal sealed class RabbitOutlet : IOutlet
{
    private const string Exchange = "exchange";

    private const string RoutingKey = "routing_key";

    public ImmutableArray<string> Schemes => ["amqp", "amqps"];

    public string? Fault(Uri url) => OutletUrl.Query(url) is var query && !query.ContainsKey(Exchange) && !query.ContainsKey(RoutingKey)
        ? "its query must have an exchange or a routing_key, as in amqp://user@broker:5672/vhost?exchange=outcomes&routing_key=digits"
        : OutletUrl.Fault(url, Exchange, RoutingKey);

    public async Task SendAsync(Uri url, OutletMessage message, CancellationToken cancellationToken)
    {
        var query = OutletUrl.Query(url);
        await using var connection = await RabbitSource.Factory(url, OutletUrl.Password(url)).CreateConnectionAsync(cancellationToken);
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), cancellationToken);
        var properties = new BasicProperties
        {
            MessageId = message.Id,
            ContentType = message.ContentType,
            Persistent = true,
            Headers = message.Attributes.ToDictionary(a => "cloudEvents_" + a.Key, a => (object?)a.Value),
        };
        await channel.BasicPublishAsync(query.GetValueOrDefault(Exchange, ""), query.GetValueOrDefault(RoutingKey, ""), mandatory: true, properties, message.Body, cancellationToken);
    }
}
