using System.Collections.Immutable;
using Dormouse.Brokers.Aws;
using Dormouse.Core.Events;

namespace Dormouse.Brokers;

/// <summary>Messages of a NATS JetStream stream, by a durable consumer.</summary>
internal sealed class NatsKind(BrokerParts parts) : IEventSourceKind
{
    private static readonly TimeSpan AckWaitDefault = TimeSpan.FromSeconds(60);

    public string Name => "nats";

    public ImmutableArray<SourceKey> Keys { get; } =
    [
        new("url", true, "address such as nats://127.0.0.1:4222, or tls://"), new("stream", true, "name of the JetStream stream"), new("subject", false, "only messages of this subject, with * and >. Default: all of the stream"),
        new("durable", false, "name of the durable consumer; it is made when it is not there. Default: dormouse- and the trigger's name"),
        new("ack_wait", false, "what was not acknowledged for so long comes again, 1s to 12h. Default: 60s"), SourceText.PasswordKey, .. NotifiedObjects.Keys, ObjectInput.Key,
    ];

    public bool IsPulled => true;

    public string? Fault(Trigger trigger) =>
        SourceText.AddressFault(trigger, "nats", "tls") ?? SourceText.ReturnFault(trigger, "ack_wait", AckWaitDefault)
        ?? (!NotifiedObjects.IsAsked(trigger) && trigger.Source.ContainsKey(ObjectInput.Key.Name) ? "'form' means nothing without 'events=s3'." : NotifiedObjects.Fault(trigger));

    public Task<IEventSource> OpenAsync(Trigger trigger, CancellationToken cancellationToken)
    {
        _ = SourceText.TryTime(trigger, "ack_wait", AckWaitDefault, out var ackWait, out _);
        return NotifiedObjects.AroundAsync(trigger, NatsSource.OpenAsync(trigger, ackWait, parts.Time, cancellationToken), parts.BodyBytesMax);
    }
}
