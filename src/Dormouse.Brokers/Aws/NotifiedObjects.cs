using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;

namespace Dormouse.Brokers.Aws;

/// <summary>
/// A broker whose messages are notifications of a bucket: each object that was created is an event of its own, and a message is acknowledged when all of its objects are.
/// </summary>
internal sealed class NotifiedObjects(IEventSource inner, ObjectInput input) : IEventSource
{
    /// <summary>Before keys of the bucket's service, where the broker has its own of the same name.</summary>
    private const string Prefix = "s3_";

    private const string Key = "events";

    private readonly Queue<SourceEvent> _parts = new();

    /// <summary>The keys of a broker's source that are about notifications.</summary>
    public static SourceKey[] Keys =>
        [new(Key, false, "s3: messages are notifications of a bucket, and objects that were created are the events. Default: messages are"), .. AwsAccess.Keys("S3", Prefix)];

    public static bool IsAsked(Trigger trigger) => trigger.Source.ContainsKey(Key);

    public static string? Fault(Trigger trigger) => !trigger.Source.TryGetValue(Key, out var events)
        ? trigger.Source.Keys.FirstOrDefault(k => k.StartsWith(Prefix, StringComparison.Ordinal)) is { } lonely ? $"'{lonely}' means nothing without 'events=s3'." : null
        : events != "s3" ? $"'events' is '{ShownText.Of(events)}'; allowed is s3."
        : ObjectInput.Fault(trigger) ?? AwsAccess.Fault(trigger.Source, Prefix);

    /// <summary>The source itself, or this around it.</summary>
    public static async Task<IEventSource> AroundAsync(Trigger trigger, Task<IEventSource> opening, int bytesMax)
    {
        var source = await opening;
        try
        {
            return IsAsked(trigger) ? new NotifiedObjects(source, ObjectInput.Of(trigger, bytesMax, Prefix)) : source;
        }
        catch
        {
            await source.DisposeAsync();
            throw;
        }
    }

    public async Task<ImmutableArray<SourceEvent>> ReceiveAsync(int max, TimeSpan wait, CancellationToken cancellationToken)
    {
        if (_parts.Count == 0)
        {
            foreach (var message in await inner.ReceiveAsync(max, wait, cancellationToken))
            {
                await ExpandAsync(message, cancellationToken);
            }
        }

        var events = ImmutableArray.CreateBuilder<SourceEvent>();
        while (events.Count < max && _parts.TryDequeue(out var part))
        {
            events.Add(part);
        }

        return events.ToImmutable();
    }

    public async Task AcknowledgeAsync(IReadOnlyList<SourceEvent> events, CancellationToken cancellationToken)
    {
        var whole = events.Select(e => (Notice)e.Handle!).Where(n => --n.Left == 0).Select(n => n.Message).ToList(); // Every event of this source has its notice.
        if (whole.Count > 0)
        {
            await inner.AcknowledgeAsync(whole, cancellationToken);
        }
    }

    /// <summary>Of a message with several objects the others are not put aside with it.</summary>
    public Task RejectAsync(SourceEvent rejected, string reason, CancellationToken cancellationToken) =>
        (Notice)rejected.Handle! is { Count: 1 } notice ? inner.RejectAsync(notice.Message, reason, cancellationToken) : AcknowledgeAsync([rejected], cancellationToken);

    public Task<long?> LagAsync(CancellationToken cancellationToken) => inner.LagAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        input.Dispose();
        await inner.DisposeAsync();
    }

    private async Task ExpandAsync(SourceEvent message, CancellationToken cancellationToken)
    {
        if (ObjectNotification.Read(message.Data) is not { } objects)
        {
            _parts.Enqueue(message with { Fault = "it is no notification of a bucket", Handle = new Notice(message, 1) });
            return;
        }

        var parts = new List<SourceEvent>();
        foreach (var created in objects)
        {
            if (await input.ComposeAsync(created, cancellationToken) is { } part)
            {
                parts.Add(part with { Group = message.Group });
            }
        }

        if (parts.Count == 0)
        {
            await inner.AcknowledgeAsync([message], cancellationToken);
            return;
        }

        var notice = new Notice(message, parts.Count);
        parts.ForEach(p => _parts.Enqueue(p with { Handle = notice }));
    }

    private sealed class Notice(SourceEvent message, int count)
    {
        public SourceEvent Message { get; } = message;

        public int Count { get; } = count;

        /// <summary>Objects that are not done.</summary>
        public int Left { get; set; } = count;
    }
}
