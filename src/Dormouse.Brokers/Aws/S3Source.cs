using System.Collections.Immutable;
using System.Globalization;
using Amazon.S3;
using Amazon.S3.Model;
using Dormouse.Core.Events;

namespace Dormouse.Brokers.Aws;

/// <summary>
/// Lists a bucket now and then and gives what is new, the oldest first. What is remembered is a mark (<see cref="ObjectMark"/>), stored when all that a listing showed is queued: after a
/// crash before that some are given again, with the ids that they had.
/// </summary>
internal sealed class S3Source : IEventSource
{
    /// <summary>Most objects of one listing that are held; the rest is found by the next one.</summary>
    private const int PendingMax = 1_000;

    private readonly IAmazonS3 _client;
    private readonly ObjectInput _input;
    private readonly TimeSpan _interval;
    private readonly TimeSpan _overlap;
    private readonly TimeProvider _time;
    private readonly string _bucket;
    private readonly string? _prefix;
    private readonly ObjectMark _mark;
    private readonly Queue<(ObjectStamp Stamp, long Size)> _pending = new();

    /// <summary>Given, and neither acknowledged nor put aside.</summary>
    private readonly HashSet<ObjectStamp> _given = [];
    private bool _skipsWhatIsThere;
    private DateTimeOffset _listedUpTo = DateTimeOffset.UnixEpoch;
    private DateTimeOffset _listAt = DateTimeOffset.MinValue;

    public S3Source(Trigger trigger, IAmazonS3 client, ObjectInput input, TimeSpan interval, TimeSpan overlap, TimeProvider time)
    {
        (_client, _input, _interval, _overlap, _time) = (client, input, interval, overlap, time);
        (_bucket, _prefix, _mark) = (trigger.Value("bucket", ""), trigger.Source.GetValueOrDefault("prefix"), ObjectMark.Parse(trigger.Mark));
        _skipsWhatIsThere = trigger.Mark is null && trigger.Value("from", "start") == "new";
        Mark = trigger.Mark;
    }

    public string? Mark { get; private set; }

    public async Task<ImmutableArray<SourceEvent>> ReceiveAsync(int max, TimeSpan wait, CancellationToken cancellationToken)
    {
        var end = _time.GetUtcNow() + wait;
        while (true)
        {
            var events = ImmutableArray.CreateBuilder<SourceEvent>();
            while (events.Count < max && _pending.TryDequeue(out var next))
            {
                if (await EventAsync(next.Stamp, next.Size, cancellationToken) is { } given)
                {
                    _given.Add(next.Stamp);
                    events.Add(given);
                }
                else
                {
                    _mark.Done(next.Stamp);
                }
            }

            if (events.Count > 0)
            {
                return events.ToImmutable();
            }

            Settle();
            var now = _time.GetUtcNow();
            if (now >= _listAt)
            {
                await ListAsync(cancellationToken);
                // What was left out of a long listing is looked for as soon as this is done.
                _listAt = _pending.Count < PendingMax ? now + _interval : now;
                continue;
            }

            if (now >= end)
            {
                return [];
            }

            var until = _listAt < end ? _listAt : end;
            await Task.Delay(until - now, _time, cancellationToken);
        }
    }

    public Task AcknowledgeAsync(IReadOnlyList<SourceEvent> events, CancellationToken cancellationToken)
    {
        foreach (var done in events)
        {
            var stamp = (ObjectStamp)done.Handle!; // Every event of this source has its stamp.
            _mark.Done(stamp);
            _given.Remove(stamp);
        }

        Settle();
        return Task.CompletedTask;
    }

    /// <summary>It stays where it is and is not looked at again.</summary>
    public Task RejectAsync(SourceEvent rejected, string reason, CancellationToken cancellationToken) => AcknowledgeAsync([rejected], cancellationToken);

    public Task<long?> LagAsync(CancellationToken cancellationToken) => Task.FromResult<long?>(_pending.Count + _given.Count);

    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        _input.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>When all that was listed is done, the mark moves and is to be stored.</summary>
    private void Settle()
    {
        if (_pending.Count == 0 && _given.Count == 0 && _listedUpTo > DateTimeOffset.UnixEpoch)
        {
            _mark.Settle(_listedUpTo, _overlap);
            Mark = _mark.ToString();
            _listedUpTo = DateTimeOffset.UnixEpoch;
        }
    }

    private async Task ListAsync(CancellationToken cancellationToken)
    {
        // The greatest goes first when there are too many.
        var found = new SortedDictionary<(DateTimeOffset Time, string Key), (ObjectStamp Stamp, long Size)>(Comparer<(DateTimeOffset Time, string Key)>.Create(
            (a, b) => a.Time != b.Time ? a.Time.CompareTo(b.Time) : string.CompareOrdinal(a.Key, b.Key)));
        var (high, isWhole) = (DateTimeOffset.UnixEpoch, true);
        var request = new ListObjectsV2Request { BucketName = _bucket, Prefix = _prefix };
        do
        {
            var page = await _client.ListObjectsV2Async(request, cancellationToken);
            // An empty list is null.
            foreach (var listed in page.S3Objects ?? [])
            {
                var stamp = new ObjectStamp(listed.Key, listed.ETag?.Trim('"') ?? "", new DateTimeOffset(listed.LastModified?.ToUniversalTime() ?? DateTime.UnixEpoch.AddTicks(1)));
                high = stamp.Time > high ? stamp.Time : high;
                if (!_mark.IsNew(stamp) || _given.Contains(stamp))
                {
                    continue;
                }

                if (_skipsWhatIsThere || listed.Key.EndsWith('/'))
                {
                    _mark.Done(stamp);
                    continue;
                }

                found[(stamp.Time, stamp.Key)] = (stamp, listed.Size ?? 0);
                if (found.Count > PendingMax)
                {
                    isWhole = false;
                    found.Remove(found.Last().Key);
                }
            }

            request.ContinuationToken = page.NextContinuationToken;
        }
        while (request.ContinuationToken is not null);

        foreach (var one in found.Values)
        {
            _pending.Enqueue(one);
        }

        // What was left out is not older than the last that was kept.
        _listedUpTo = isWhole ? high : found.Last().Key.Time.AddMilliseconds(-1);
        if (_skipsWhatIsThere && high == DateTimeOffset.UnixEpoch)
        {
            // There was nothing: all that comes is new.
            Mark = _mark.ToString();
        }

        _skipsWhatIsThere = false;
        Settle();
    }

    private async Task<SourceEvent?> EventAsync(ObjectStamp stamp, long size, CancellationToken cancellationToken)
    {
        var created = new ObjectCreated(_bucket, stamp.Key, size, stamp.ETag, stamp.Time, stamp.Time.ToUnixTimeMilliseconds().ToString(CultureInfo.InvariantCulture));
        return await _input.ComposeAsync(created, cancellationToken) is { } made ? made with { Handle = stamp } : null;
    }
}
