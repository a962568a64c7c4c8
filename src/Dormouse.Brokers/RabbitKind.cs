using System.Collections.Immutable;
using Dormouse.Core;
using Dormouse.Core.Events;

namespace Dormouse.Brokers;

/// <summary>Messages of a RabbitMQ queue.</summary>
internal sealed class RabbitKind(TimeProvider time, IIdSource ids) : IEventSourceKind
{
    public string Name => "rabbitmq";

    public ImmutableArray<SourceKey> Keys { get; } =
        [new("url", true, "address such as amqp://guest@127.0.0.1:5672/vhost, or amqps://"), new("queue", true, "name of a queue that is there"), SourceText.PasswordKey];

    public bool IsPulled => true;

    public string? Fault(Trigger trigger) => SourceText.AddressFault(trigger, "amqp", "amqps");

    public Task<IEventSource> OpenAsync(Trigger trigger, CancellationToken cancellationToken) => RabbitSource.OpenAsync(trigger, time, ids, cancellationToken);
}
