using System.Collections.Immutable;
using System.Threading.Channels;
using Confluent.Kafka;
using Dormouse.Core.Events;

namespace Dormouse.Brokers.Kafka;

/// <summary>
/// Consumes a topic as a member of a group. The client wants to be polled without a pause, or the group takes it for dead; so a thread of its own polls and holds a bounded number of records,
/// and stops the partitions while nobody takes them. An offset is committed when everything before it was queued, or put aside.
/// </summary>
internal sealed class KafkaSource : IEventSource
{
    /// <summary>Records that are held before they are asked for, at least.</summary>
    private const int AheadMin = 16;

    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan PollTime = TimeSpan.FromMilliseconds(100);

    private readonly Lock _assignment = new();
    private readonly Dictionary<TopicPartition, AssignedPartition> _assigned = [];
    private readonly Channel<SourceEvent> _arrived = Channel.CreateUnbounded<SourceEvent>();
    private readonly Trigger _trigger;
    private readonly TimeProvider _time;
    private readonly Uri _url;
    private readonly string _topic;
    private readonly int _ahead;
    private readonly IConsumer<byte[]?, byte[]?> _consumer;
    private readonly Task _polling;
    private volatile bool _isEnding;
    private volatile bool _isDown;
    private bool _isStopped;

    private KafkaSource(Trigger trigger, TimeProvider time)
    {
        (_trigger, _time, _url, _topic) = (trigger, time, new Uri(trigger.Value("url", "")), trigger.Value("topic", ""));
        _ahead = Math.Max(AheadMin, trigger.BatchSize);
        _consumer = new ConsumerBuilder<byte[]?, byte[]?>(Config())
            .SetLogHandler((_, _) => { })
            .SetErrorHandler((_, error) => Broken(error))
            .SetPartitionsAssignedHandler((_, given) => Assigned(given))
            .SetPartitionsRevokedHandler((_, taken) => Lost(taken))
            .SetPartitionsLostHandler((_, taken) => Lost(taken))
            .Build();
        try
        {
            Look();
            _consumer.Subscribe(_topic);
        }
        catch
        {
            _consumer.Dispose();
            throw;
        }

        _polling = Task.Factory.StartNew(Poll, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    public static async Task<IEventSource> OpenAsync(Trigger trigger, TimeProvider time, CancellationToken cancellationToken) =>
        await Task.Run<IEventSource>(() => new KafkaSource(trigger, time), cancellationToken);

    public async Task<ImmutableArray<SourceEvent>> ReceiveAsync(int max, TimeSpan wait, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(wait, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        var events = ImmutableArray.CreateBuilder<SourceEvent>();
        try
        {
            while (events.Count == 0)
            {
                Take(await _arrived.Reader.ReadAsync(either.Token));
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return [];
        }
        catch (ChannelClosedException e)
        {
            throw e.InnerException ?? e;
        }

        while (events.Count < max && _arrived.Reader.TryRead(out var more))
        {
            Take(more);
        }

        return events.ToImmutable();

        // What belongs to another member of the group now comes to that one.
        void Take(SourceEvent arrived)
        {
            if (!Held(arrived).Partition.IsLost)
            {
                events.Add(arrived);
            }
        }
    }

    public async Task AcknowledgeAsync(IReadOnlyList<SourceEvent> events, CancellationToken cancellationToken)
    {
        List<TopicPartitionOffset> offsets = [];
        lock (_assignment)
        {
            foreach (var ofPartition in events.Select(Held).GroupBy(h => h.Partition).Where(p => !p.Key.IsLost))
            {
                var hasMoved = false;
                foreach (var held in ofPartition)
                {
                    hasMoved |= held.Partition.Progress.Done(held.Record.Offset);
                }

                if (hasMoved)
                {
                    offsets.Add(new TopicPartitionOffset(ofPartition.First().Record.TopicPartition, ofPartition.Key.Progress.Next!.Value)); // It moved.
                }
            }
        }

        if (offsets.Count > 0)
        {
            await Task.Run(() => Commit(offsets), cancellationToken);
        }
    }

    public async Task RejectAsync(SourceEvent rejected, string reason, CancellationToken cancellationToken)
    {
        if (_trigger.Source.TryGetValue("rejected", out var topic))
        {
            var record = Held(rejected).Record;
            var headers = KafkaAccess.Headers([KeyValuePair.Create("dormouse-id", rejected.Id), KeyValuePair.Create("dormouse-reason", reason)]);
            foreach (var header in record.Message.Headers ?? [])
            {
                headers.Add(header);
            }

            await KafkaAccess.SendAsync(_url, _trigger.Source, topic, new Message<byte[]?, byte[]> { Key = record.Message.Key, Value = record.Message.Value ?? [], Headers = headers }, cancellationToken);
        }

        await AcknowledgeAsync([rejected], cancellationToken);
    }

    public async Task<long?> LagAsync(CancellationToken cancellationToken) => await Task.Run(Lag, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        _isEnding = true;
        await _polling;
        await Task.Run(() =>
        {
            if (!_isDown)
            {
                // Leaves the group, so that others need not wait until it is taken for dead.
                _consumer.Close();
            }

            _consumer.Dispose();
        });
    }

    private ConsumerConfig Config() => KafkaAccess.Reaching(
        new ConsumerConfig
        {
            GroupId = _trigger.Value("group", "dormouse-" + _trigger.Name),
            AutoOffsetReset = _trigger.Value("from", "start") == "new" ? AutoOffsetReset.Latest : AutoOffsetReset.Earliest,
            EnableAutoCommit = false,
            EnableAutoOffsetStore = false,
            // What the client itself holds ahead of us.
            QueuedMinMessages = 1_000,
            QueuedMaxMessagesKbytes = 16 * 1024,
        },
        _url, _trigger.Source);

    /// <summary>Asks the cluster for the topic, so that what is wrong is known at once.</summary>
    private void Look()
    {
        using var admin = new DependentAdminClientBuilder(_consumer.Handle).Build();
        Metadata metadata;
        try
        {
            metadata = admin.GetMetadata(_topic, AnswerTime);
        }
        catch (KafkaException e)
        {
            throw new IOException($"Kafka at {_url.Authority} does not answer: {e.Error.Reason}", e);
        }

        if (metadata.Topics.FirstOrDefault(t => t.Topic == _topic) is not { } topic || topic.Error.IsError)
        {
            throw new IOException($"topic '{_topic}' cannot be read: {metadata.Topics.FirstOrDefault()?.Error.Reason ?? "the cluster does not know it"}");
        }
    }

    private void Poll()
    {
        try
        {
            while (!_isEnding)
            {
                Throttle();
                if (_consumer.Consume(PollTime) is { Message: not null } record)
                {
                    Arrived(record);
                }
            }
        }
        catch (Exception e)
        {
            // The top of its own thread: whoever receives opens a new source.
            _arrived.Writer.TryComplete(new IOException("Kafka: " + e.Message, e));
        }
    }

    /// <summary>Nothing more is fetched while enough is held; the polling itself goes on.</summary>
    private void Throttle()
    {
        var held = _arrived.Reader.Count;
        if (held >= _ahead && !_isStopped)
        {
            _consumer.Pause(_consumer.Assignment);
            _isStopped = true;
        }
        else if (held <= _ahead / 2 && _isStopped)
        {
            _consumer.Resume(_consumer.Assignment);
            _isStopped = false;
        }
    }

    private void Arrived(ConsumeResult<byte[]?, byte[]?> record)
    {
        AssignedPartition? partition;
        lock (_assignment)
        {
            if (!_assigned.TryGetValue(record.TopicPartition, out partition))
            {
                return;
            }

            partition.Progress.Given(record.Offset);
        }

        _arrived.Writer.TryWrite(KafkaRecords.Event(record, new HeldRecord(record, partition), _trigger.Id));
    }

    /// <summary>On the thread that polls.</summary>
    private void Assigned(List<TopicPartition> given)
    {
        // They come unstopped, whatever the others are.
        _isStopped = false;
        lock (_assignment)
        {
            given.ForEach(p => _assigned[p] = new AssignedPartition());
        }
    }

    private void Lost(List<TopicPartitionOffset> taken)
    {
        lock (_assignment)
        {
            foreach (var partition in taken)
            {
                if (_assigned.Remove(partition.TopicPartition, out var lost))
                {
                    lost.IsLost = true;
                }
            }
        }
    }

    private void Broken(Error error)
    {
        if (error.IsFatal || error.Code is ErrorCode.Local_AllBrokersDown or ErrorCode.Local_Authentication)
        {
            _isDown = true;
            _arrived.Writer.TryComplete(new IOException("the connection to Kafka ended: " + error.Reason));
        }
    }

    private void Commit(List<TopicPartitionOffset> offsets)
    {
        try
        {
            _consumer.Commit(offsets);
        }
        catch (KafkaException e)
        {
            throw new IOException($"Kafka did not take the offset: {e.Error.Reason}", e);
        }
    }

    private long? Lag()
    {
        try
        {
            long lag = 0;
            foreach (var done in _consumer.Committed(_consumer.Assignment, AnswerTime))
            {
                var ends = _consumer.QueryWatermarkOffsets(done.TopicPartition, AnswerTime);
                lag += ends.High.Value - (done.Offset.IsSpecial ? _trigger.Value("from", "start") == "new" ? ends.High.Value : ends.Low.Value : done.Offset.Value);
            }

            return lag;
        }
        catch (KafkaException)
        {
            // The group is being divided anew, or a broker is away: the next look tells.
            return null;
        }
    }

    private static HeldRecord Held(SourceEvent from) => (HeldRecord)from.Handle!; // Every event of this source has its record.
}
