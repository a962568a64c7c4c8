using System.Collections.Concurrent;
using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;

namespace Dormouse.Brokers.Aws;

/// <summary>Messages of a queue that speaks SQS.</summary>
internal sealed class SqsKind(BrokerParts parts) : IEventSourceKind
{
    private static readonly TimeSpan VisibilityDefault = TimeSpan.FromSeconds(60);

    /// <summary>Messages that runs have, by trigger: they outlive a connection that breaks.</summary>
    private readonly ConcurrentDictionary<TriggerId, SqsHeld> _held = new();

    public string Name => "sqs";

    public ImmutableArray<SourceKey> Keys { get; } =
    [
        new("queue", true, "URL of the queue, or its name"), .. AwsAccess.Keys("SQS"),
        new("visibility", false, "how long a message stays hidden from others; it is extended while we have it, 1s to 12h. Default: 60s"),
        new("settle", false, "queued: a message is deleted once it is queued here; ended: once its run succeeded, by AWS's rules of partial batch failures. Default: queued"),
        new("id", false, "message or deduplication: which id makes a message the same for 24 h. Default: message"),
        new("form", false, "event: the input is the message's body; records: it is what AWS Lambda functions get, {\"Records\":[…]}; object, with events=s3: the object's bytes. Default: event"),
        .. NotifiedObjects.Keys,
    ];

    public bool IsPulled => true;

    public string? Fault(Trigger trigger)
    {
        var (queue, form) = (trigger.Value("queue", ""), trigger.Value("form", "event"));
        return queue.Contains('/', StringComparison.Ordinal) && !AwsAccess.IsAddress(queue)
                ? $"'queue' is '{ShownText.Of(queue)}'; allowed is the URL of a queue, such as https://sqs.eu-central-1.amazonaws.com/123456789012/orders, or a name."
            : trigger.Value("settle", "queued") is not ("queued" or "ended") ? $"'settle' is '{ShownText.Of(trigger.Source["settle"])}'; allowed is queued or ended."
            : trigger.Value("id", "message") is not ("message" or "deduplication") ? $"'id' is '{ShownText.Of(trigger.Source["id"])}'; allowed is message or deduplication."
            : NotifiedObjects.IsAsked(trigger) && trigger.Value("settle", "queued") == "ended" ? "'settle' must be queued with 'events=s3': a message may have several objects."
            : NotifiedObjects.Fault(trigger) is { } badEvents ? badEvents
            : !NotifiedObjects.IsAsked(trigger) && form is not ("event" or "records") ? $"'form' is '{ShownText.Of(form)}'; allowed is event or records."
            : form == "records" && trigger.Input is not null ? "'form' is records, and 'input' makes another input; leave one of them out."
            : AwsAccess.Fault(trigger.Source) ?? (SourceText.TryTime(trigger, "visibility", VisibilityDefault, out _, out var fault) ? null : fault);
    }

    public Task<IEventSource> OpenAsync(Trigger trigger, CancellationToken cancellationToken)
    {
        _ = SourceText.TryTime(trigger, "visibility", VisibilityDefault, out var visibility, out _);
        return NotifiedObjects.AroundAsync(trigger, SqsSource.OpenAsync(trigger, visibility, _held.GetOrAdd(trigger.Id, _ => new SqsHeld()), parts, cancellationToken), parts.BodyBytesMax);
    }
}
