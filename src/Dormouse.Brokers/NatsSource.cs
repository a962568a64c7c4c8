using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Core.Events;
using NATS.Client.Core;
using NATS.Client.JetStream;
using NATS.Client.JetStream.Models;

namespace Dormouse.Brokers;

/// <summary>Fetches messages of a durable pull consumer. What was fetched and not acknowledged comes again after its time.</summary>
internal sealed class NatsSource : IEventSource
{
    private const string IdHeader = "Nats-Msg-Id";

    private static readonly TimeSpan ConnectTime = TimeSpan.FromSeconds(5);

    /// <summary>The least that a fetch may wait.</summary>
    private static readonly TimeSpan FetchMin = TimeSpan.FromSeconds(1);

    private readonly NatsConnection _connection;
    private readonly INatsJSConsumer _consumer;
    private readonly string _stream;

    /// <summary>Ends a fetch that waits for messages of a connection that is no more.</summary>
    private readonly CancellationTokenSource _broken = new();

    private NatsSource(NatsConnection connection, INatsJSConsumer consumer, string stream)
    {
        (_connection, _consumer, _stream) = (connection, consumer, stream);
        _connection.ConnectionDisconnected += BrokenAsync;
    }

    public static async Task<IEventSource> OpenAsync(Trigger trigger, TimeSpan ackWait, TimeProvider time, CancellationToken cancellationToken)
    {
        var url = new Uri(trigger.Value("url", ""));
        var connection = new NatsConnection(Options(url, SourceText.Password(trigger.Source)));
        try
        {
            using var limit = new CancellationTokenSource(ConnectTime * 2, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
            await connection.ConnectAsync();
            var stream = trigger.Value("stream", "");
            var config = new ConsumerConfig(trigger.Value("durable", "dormouse-" + trigger.Name))
            {
                AckPolicy = ConsumerConfigAckPolicy.Explicit,
                AckWait = ackWait,
                FilterSubject = trigger.Source.GetValueOrDefault("subject"),
            };
            var consumer = await new NatsJSContext(connection).CreateOrUpdateConsumerAsync(stream, config, either.Token);
            return new NatsSource(connection, consumer, stream);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <param name="password">Of the address's user; without one it is a token.</param>
    public static NatsOpts Options(Uri url, string? password) => new()
    {
        Url = $"{url.Scheme}://{url.Authority[(url.Authority.LastIndexOf('@') + 1)..]}",
        Name = "dormouse",
        ConnectTimeout = ConnectTime,
        // Whoever uses the connection opens it anew: one that comes back by itself would hide that it was away.
        MaxReconnectRetry = 0,
        AuthOpts = SourceText.User(url) is { } user ? new NatsAuthOpts { Username = user, Password = password } : new NatsAuthOpts { Token = password },
    };

    public async Task<ImmutableArray<SourceEvent>> ReceiveAsync(int max, TimeSpan wait, CancellationToken cancellationToken)
    {
        EnsureConnected();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(_broken.Token, cancellationToken);
        try
        {
            return await FetchAsync(max, wait, either.Token);
        }
        catch (OperationCanceledException) when (_broken.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new IOException("the connection to NATS ended");
        }
    }

    public async Task AcknowledgeAsync(IReadOnlyList<SourceEvent> events, CancellationToken cancellationToken)
    {
        foreach (var done in events)
        {
            await Message(done).AckAsync(new AckOpts { DoubleAck = true }, cancellationToken);
        }
    }

    public async Task RejectAsync(SourceEvent rejected, string reason, CancellationToken cancellationToken) =>
        await Message(rejected).AckTerminateAsync(new AckOpts { DoubleAck = true }, cancellationToken);

    public async Task<long?> LagAsync(CancellationToken cancellationToken)
    {
        await _consumer.RefreshAsync(cancellationToken);
        return (long)_consumer.Info.NumPending + _consumer.Info.NumAckPending;
    }

    public async ValueTask DisposeAsync()
    {
        _connection.ConnectionDisconnected -= BrokenAsync;
        await _connection.DisposeAsync();
        _broken.Dispose();
    }

    private async ValueTask BrokenAsync(object? sender, NatsEventArgs args) => await _broken.CancelAsync();

    private async Task<ImmutableArray<SourceEvent>> FetchAsync(int max, TimeSpan wait, CancellationToken cancellationToken)
    {
        var events = ImmutableArray.CreateBuilder<SourceEvent>();
        var options = new NatsJSFetchOpts { MaxMsgs = max, Expires = wait < FetchMin ? FetchMin : wait };
        if (max > 1)
        {
            // What is there already, without waiting for the rest of a batch: the runner does that.
            await foreach (var message in _consumer.FetchNoWaitAsync<byte[]>(new NatsJSFetchOpts { MaxMsgs = max }, cancellationToken: cancellationToken))
            {
                events.Add(Event(message));
            }
        }

        if (events.Count == 0)
        {
            await foreach (var message in _consumer.FetchAsync<byte[]>(options with { MaxMsgs = 1 }, cancellationToken: cancellationToken))
            {
                events.Add(Event(message));
            }

            EnsureConnected();
        }

        return events.ToImmutable();
    }

    private static INatsJSMsg<byte[]> Message(SourceEvent from) => (INatsJSMsg<byte[]>)from.Handle!; // Every event of this source has its message.

    /// <summary>A fetch through a broken connection ends as if there were no messages.</summary>
    private void EnsureConnected()
    {
        if (_connection.ConnectionState != NatsConnectionState.Open)
        {
            throw new IOException($"the connection to NATS is {_connection.ConnectionState.ToString().ToLowerInvariant()}");
        }
    }

    private SourceEvent Event(INatsJSMsg<byte[]> message)
    {
        var sequence = message.Metadata?.Sequence.Stream.ToString(CultureInfo.InvariantCulture) ?? "";
        string? id = null;
        string? type = null;
        if (message.Headers is { } headers)
        {
            id = headers.TryGetValue(IdHeader, out var ids) ? ids.ToString() : null;
            type = headers.TryGetValue("Content-Type", out var types) ? types.ToString() : null;
        }

        return new SourceEvent(id ?? sequence, $"nats:{_stream}", "nats.message", message.Metadata?.Timestamp, message.Data ?? [], type) { Subject = message.Subject, Handle = message };
    }
}
