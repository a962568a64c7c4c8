using System.Collections.Immutable;
using Dormouse.Core.Destinations;

namespace Dormouse.Brokers.Outlets;

/// <summary>Brokers that outcomes are sent to. Each message has a connection of its own: outcomes are few beside what a broker carries, and nothing is held open for destinations that rest.</summary>
public static class BrokerOutlets
{
    public static ImmutableArray<IOutlet> All() => [new NatsOutlet(), new RedisOutlet(), new RabbitOutlet(), new SqsOutlet(), new KafkaOutlet()];
}
