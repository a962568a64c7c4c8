using System.Collections.Immutable;
using Confluent.Kafka;
using Dormouse.Brokers.Kafka;
using Dormouse.Core.Destinations;

namespace Dormouse.Brokers.Outlets;

/// <summary>Topics of Kafka, in the binary form of CloudEvents' binding. The key is the endpoint, so that its outcomes lie in one partition; a consumer knows a repeated one by its id.</summary>
internal sealed class KafkaOutlet : IOutlet
{
    public ImmutableArray<string> Schemes => ["kafka", "kafkas"];

    public string? Fault(Uri url) => KafkaAccess.IsTopic(OutletUrl.Path(url))
        ? OutletUrl.Fault(url, KafkaAccess.SaslKey.Name) ?? KafkaAccess.Fault(url, OutletUrl.Query(url))?.TrimEnd('.')
        : "its path must be a topic, as in kafka://broker:9092/outcomes";

    public Task SendAsync(Uri url, OutletMessage message, CancellationToken cancellationToken) => KafkaAccess.SendAsync(
        url, OutletUrl.Query(url), OutletUrl.Path(url),
        new Message<byte[]?, byte[]>
        {
            Key = System.Text.Encoding.UTF8.GetBytes(message.Group),
            Value = message.Body.ToArray(),
            Headers = KafkaAccess.Headers(
            [
                KeyValuePair.Create("delivery-id", message.Id), KeyValuePair.Create("content-type", message.ContentType), .. message.Attributes.Select(a => KeyValuePair.Create("ce_" + a.Key, a.Value)),
            ]),
        },
        cancellationToken);
}
