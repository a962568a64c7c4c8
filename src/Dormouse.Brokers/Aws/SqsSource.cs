using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Amazon.SQS;
using Amazon.SQS.Model;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;

namespace Dormouse.Brokers.Aws;

/// <summary>
/// Receives by long poll. A message stays hidden from others for as long as we have it, and is deleted when it is queued here, or when its run has succeeded.
/// </summary>
internal sealed class SqsSource : IEventSource
{
    /// <summary>Messages that may be with runs at once.</summary>
    private const int HeldMax = 1_000;

    private static readonly TimeSpan PollMax = TimeSpan.FromSeconds(20);

    /// <summary>Answers of a long poll come later than it lasts.</summary>
    private static readonly TimeSpan RequestTime = TimeSpan.FromSeconds(40);

    private static readonly TimeSpan FullPause = TimeSpan.FromSeconds(1);

    private readonly AmazonSQSClient _client;
    private readonly string _queue;
    private readonly Trigger _trigger;
    private readonly TimeSpan _visibility;
    private readonly SqsHeld _held;
    private readonly SqsKeeper _keeper;
    private readonly SqsRecord _records;
    private readonly TimeProvider _time;
    private readonly bool _settlesEnded;
    private readonly Dictionary<string, InvocationId> _queuedAs = new(StringComparer.Ordinal);

    private SqsSource(AmazonSQSClient client, string queue, string region, Trigger trigger, TimeSpan visibility, SqsHeld held, BrokerParts parts)
    {
        (_client, _queue, _trigger, _visibility, _held, _time) = (client, queue, trigger, visibility, held, parts.Time);
        _settlesEnded = trigger.Value("settle", "queued") == "ended";
        _records = new SqsRecord(queue, region);
        _keeper = new SqsKeeper(client, queue, trigger.Value("form", "event") == "records", visibility, held, trigger.Tenant, parts.Invocations, parts.Time);
    }

    public static async Task<IEventSource> OpenAsync(Trigger trigger, TimeSpan visibility, SqsHeld held, BrokerParts parts, CancellationToken cancellationToken)
    {
        var access = AwsAccess.Of(trigger.Source, "SQS");
        var queue = trigger.Value("queue", "");
        var isUrl = AwsAccess.IsAddress(queue);
        var config = new AmazonSQSConfig { AuthenticationRegion = access.Region, MaxErrorRetry = 1, Timeout = RequestTime, HttpClientFactory = new AwsHttp() };
        if ((access.Url ?? (isUrl ? new Uri(queue).GetLeftPart(UriPartial.Authority) : null)) is { } url)
        {
            config.ServiceURL = url;
        }
        else
        {
            config.RegionEndpoint = Amazon.RegionEndpoint.GetBySystemName(access.Region);
        }

        var client = new AmazonSQSClient(access.Credentials, config);
        try
        {
            var address = isUrl ? queue : (await client.GetQueueUrlAsync(queue, cancellationToken)).QueueUrl;
            // A queue that is not there, or does not answer, is seen now.
            await client.GetQueueAttributesAsync(address, ["QueueArn"], cancellationToken);
            var source = new SqsSource(client, address, access.Region, trigger, visibility, held, parts);
            source._keeper.Start();
            return source;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    public async Task<ImmutableArray<SourceEvent>> ReceiveAsync(int max, TimeSpan wait, CancellationToken cancellationToken)
    {
        _keeper.ThrowFault();
        if (_settlesEnded && _held.Count >= HeldMax)
        {
            await Task.Delay(wait < FullPause ? wait : FullPause, _time, cancellationToken);
            return [];
        }

        var poll = wait < PollMax ? wait : PollMax;
        var answer = await _client.ReceiveMessageAsync(
            new ReceiveMessageRequest(_queue)
            {
                MaxNumberOfMessages = Math.Clamp(max, 1, SqsKeeper.RequestMax),
                WaitTimeSeconds = (int)Math.Ceiling(Math.Max(poll.TotalSeconds, 0)),
                VisibilityTimeout = (int)_visibility.TotalSeconds,
                MessageSystemAttributeNames = ["All"],
                MessageAttributeNames = ["All"],
            },
            cancellationToken);
        // An empty list is null.
        return [.. (answer.Messages ?? []).Where(m => _held.Arrives(new HeldMessage(m.MessageId, m.ReceiptHandle, _keeper.ExtendAt))).Select(Event)];
    }

    public void Queued(SourceEvent queued, InvocationId invocation) => _queuedAs[Id(queued)] = invocation;

    public async Task AcknowledgeAsync(IReadOnlyList<SourceEvent> events, CancellationToken cancellationToken)
    {
        var done = ImmutableArray.CreateBuilder<HeldMessage>();
        foreach (var id in events.Select(Id))
        {
            if (_queuedAs.Remove(id, out var run) && _settlesEnded)
            {
                _held.Runs(id, run);
            }
            else if (_held.Find(id) is { } message)
            {
                done.Add(message);
            }
        }

        await _keeper.DeleteAsync(done.ToImmutable(), cancellationToken);
    }

    /// <summary>It is let go: it comes again, and the queue's redrive policy puts it aside.</summary>
    public Task RejectAsync(SourceEvent rejected, string reason, CancellationToken cancellationToken)
    {
        _held.Remove([Id(rejected)]);
        return Task.CompletedTask;
    }

    public async Task<long?> LagAsync(CancellationToken cancellationToken)
    {
        var answer = await _client.GetQueueAttributesAsync(_queue, ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"], cancellationToken);
        return answer.ApproximateNumberOfMessages + answer.ApproximateNumberOfMessagesNotVisible;
    }

    public async ValueTask DisposeAsync()
    {
        await _keeper.DisposeAsync();
        _held.ForgetUnqueued();
        _client.Dispose();
    }

    private static string Id(SourceEvent from) => (string)from.Handle!; // Every event of this source has its message's id.

    private SourceEvent Event(Message message)
    {
        var attributes = message.Attributes ?? [];
        var receiveCount = attributes.GetValueOrDefault("ApproximateReceiveCount", "1");
        var id = _trigger.Value("id", "message") == "deduplication" ? attributes.GetValueOrDefault("MessageDeduplicationId", message.MessageId) : message.MessageId;
        var isRecord = _trigger.Value("form", "event") == "records" && !NotifiedObjects.IsAsked(_trigger);
        var group = attributes.GetValueOrDefault("MessageGroupId");
        var known = ImmutableSortedDictionary<string, string>.Empty.Add("receivecount", receiveCount);
        return new SourceEvent(
            // What failed and comes again is to run again.
            _settlesEnded ? $"{id}:{receiveCount}" : id,
            "sqs:" + _queue[(_queue.LastIndexOf('/') + 1)..], "sqs.message", Time(attributes.GetValueOrDefault("SentTimestamp")),
            isRecord ? _records.Write(message) : Encoding.UTF8.GetBytes(message.Body ?? ""), isRecord ? "application/json" : ContentType(message))
        {
            Subject = group,
            Attributes = known,
            Envelope = isRecord ? "Records" : null,
            // Where a run settles its messages, the queue itself holds the rest of a group back.
            Group = group is null || _settlesEnded || !_queue.EndsWith(".fifo", StringComparison.Ordinal) ? null : $"{_trigger.Id}:{group}",
            Handle = message.MessageId,
        };
    }

    private static string? ContentType(Message message) =>
        message.MessageAttributes?.FirstOrDefault(a => a.Key.Equals("Content-Type", StringComparison.OrdinalIgnoreCase)).Value is { StringValue: { Length: > 0 } type } ? type : null;

    private static DateTimeOffset? Time(string? text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds) && milliseconds < 253_402_300_800_000 ? DateTimeOffset.FromUnixTimeMilliseconds(milliseconds) : null;
}
