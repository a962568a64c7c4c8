using Dormouse.Brokers.Aws;
using Dormouse.Brokers.Kafka;
using System.Collections.Immutable;
using Dormouse.Core;
using Dormouse.Core.Events;

namespace Dormouse.Brokers;

/// <summary>What kinds of brokers need of the server.</summary>
/// <param name="BodyBytesMax">What is larger is never queued, so that no more than one byte beyond need be fetched.</param>
public sealed record BrokerParts(TimeProvider Time, IIdSource Ids, IFedInvocations Invocations, int BodyBytesMax);

/// <summary>
/// Brokers as sources of triggers. An assembly of its own: the clients of brokers are loaded when a trigger of their kind is opened, and by nobody else. A further broker is one
/// kind and one source beside these.
/// </summary>
public static class BrokerKinds
{
    public static ImmutableArray<IEventSourceKind> All(BrokerParts parts) =>
        [new RedisKind(parts.Time), new NatsKind(parts), new RabbitKind(parts.Time, parts.Ids), new SqsKind(parts), new S3Kind(parts), new PostgresKind(parts.Time), new KafkaKind(parts.Time)];
}
