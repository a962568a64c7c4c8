using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;

namespace Dormouse.Brokers;

/// <summary>Entries of a Redis stream, by a consumer group.</summary>
internal sealed class RedisKind(TimeProvider time) : IEventSourceKind
{
    private static readonly TimeSpan ClaimDefault = TimeSpan.FromSeconds(60);

    public string Name => "redis";

    public ImmutableArray<SourceKey> Keys { get; } =
    [
        new("url", true, "address such as redis://127.0.0.1:6379, or rediss:// with TLS"), new("stream", true, "key of the stream"),
        new("group", false, "consumer group; it is made when it is not there. Default: dormouse"),
        new("from", false, "start or new: where a group that is made here begins. Default: start"),
        new("claim_after", false, "entries that another consumer of the group did not acknowledge for so long are taken over, 1s to 12h. Default: 60s"), SourceText.PasswordKey,
    ];

    public bool IsPulled => true;

    public string? Fault(Trigger trigger) => SourceText.AddressFault(trigger, "redis", "rediss")
        ?? (trigger.Value("from", "start") is not ("start" or "new") ? $"'from' is '{ShownText.Of(trigger.Source["from"])}'; allowed is start or new." : null)
        ?? SourceText.ReturnFault(trigger, "claim_after", ClaimDefault);

    public Task<IEventSource> OpenAsync(Trigger trigger, CancellationToken cancellationToken)
    {
        _ = SourceText.TryTime(trigger, "claim_after", ClaimDefault, out var claimAfter, out _);
        return RedisSource.OpenAsync(trigger, claimAfter, time, cancellationToken);
    }
}
