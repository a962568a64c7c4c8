using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;

namespace Dormouse.Brokers.Kafka;

/// <summary>Records of a Kafka topic, by a consumer group.</summary>
internal sealed class KafkaKind(TimeProvider time) : IEventSourceKind
{
    public string Name => "kafka";

    public ImmutableArray<SourceKey> Keys { get; } =
    [
        new("url", true, "address of one broker such as kafka://127.0.0.1:9092, or kafkas:// with TLS; it tells of the others"), new("topic", true, "name of the topic"),
        new("group", false, "consumer group. Default: dormouse- and the trigger's name"),
        new("from", false, "start or new: where a group that has no offset yet begins. Default: start"),
        new("rejected", false, "topic that gets what can never be queued. Default: it is passed over"),
        KafkaAccess.SaslKey, SourceText.PasswordKey,
    ];

    public bool IsPulled => true;

    public string? Fault(Trigger trigger) => SourceText.AddressFault(trigger, "kafka", "kafkas")
        ?? KafkaAccess.Fault(new Uri(trigger.Value("url", "")), trigger.Source)
        ?? TopicFault(trigger, "topic") ?? (trigger.Source.ContainsKey("rejected") ? TopicFault(trigger, "rejected") : null)
        ?? (trigger.Value("rejected", "") == trigger.Value("topic", "") ? "'rejected' is the topic itself; what can never be queued would come again and again." : null)
        ?? (trigger.Value("from", "start") is not ("start" or "new") ? $"'from' is '{ShownText.Of(trigger.Source["from"])}'; allowed is start or new." : null);

    public Task<IEventSource> OpenAsync(Trigger trigger, CancellationToken cancellationToken) => KafkaSource.OpenAsync(trigger, time, cancellationToken);

    private static string? TopicFault(Trigger trigger, string key) => KafkaAccess.IsTopic(trigger.Value(key, ""))
        ? null
        : $"'{key}' is '{ShownText.Of(trigger.Value(key, ""))}'; allowed are 1 to 249 letters, digits, '.', '_' and '-'.";
}
