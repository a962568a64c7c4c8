using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;

namespace Dormouse.Brokers.Aws;

/// <summary>Objects that come into an S3-compatible bucket, found by listing it.</summary>
internal sealed class S3Kind(BrokerParts parts) : IEventSourceKind
{
    private static readonly TimeSpan IntervalDefault = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan OverlapDefault = TimeSpan.FromMinutes(2);

    public string Name => "s3";

    public ImmutableArray<SourceKey> Keys { get; } =
    [
        new("bucket", true, "name of the bucket"), new("prefix", false, "only objects whose keys begin with it. Default: all"), .. AwsAccess.Keys("S3"), ObjectInput.Key,
        new("interval", false, "how often the bucket is listed, 1s to 12h. Default: 10s"),
        new("overlap", false, "how much later than newer ones an object may appear, 1s to 12h. Default: 2m"),
        new("from", false, "start or new: whether objects that are there already are events. Default: start"),
    ];

    public bool IsPulled => true;

    public string? Fault(Trigger trigger) => trigger.Value("from", "start") is not ("start" or "new") ? $"'from' is '{ShownText.Of(trigger.Source["from"])}'; allowed is start or new."
        : !SourceText.TryTime(trigger, "interval", IntervalDefault, out _, out var badInterval) ? badInterval
        : !SourceText.TryTime(trigger, "overlap", OverlapDefault, out _, out var badOverlap) ? badOverlap
        : ObjectInput.Fault(trigger) ?? AwsAccess.Fault(trigger.Source);

    public Task<IEventSource> OpenAsync(Trigger trigger, CancellationToken cancellationToken)
    {
        _ = SourceText.TryTime(trigger, "interval", IntervalDefault, out var interval, out _);
        _ = SourceText.TryTime(trigger, "overlap", OverlapDefault, out var overlap, out _);
        return Task.FromResult<IEventSource>(new S3Source(trigger, S3Client.Of(AwsAccess.Of(trigger.Source, "S3")), ObjectInput.Of(trigger, parts.BodyBytesMax, ""), interval, overlap, parts.Time));
    }
}
