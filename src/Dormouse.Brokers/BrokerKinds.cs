using System.Collections.Immutable;
using Dormouse.Core;
using Dormouse.Core.Events;

namespace Dormouse.Brokers;

/// <summary>
/// Brokers as sources of triggers. An assembly of its own: the clients of brokers are loaded when a trigger of their kind is opened, and by nobody else. A further broker is one
/// kind and one source beside these.
/// </summary>
public static class BrokerKinds
{
    public static ImmutableArray<IEventSourceKind> All(TimeProvider time, IIdSource ids) => [new RedisKind(time), new NatsKind(time), new RabbitKind(time, ids)];
}
