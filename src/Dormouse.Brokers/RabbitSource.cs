using System.Collections.Immutable;
using System.Globalization;
using System.Threading.Channels;
using Dormouse.Core;
using Dormouse.Core.Events;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Dormouse.Brokers;

/// <summary>
/// Consumes a queue with a bounded number of unacknowledged messages. A message with a message id is known by it when it comes again; one without is another event each time it comes.
/// </summary>
internal sealed class RabbitSource : IEventSource
{
    private const string DefaultUser = "guest";

    /// <summary>Messages that are sent ahead of their acknowledgement, at least.</summary>
    private const int AheadMin = 16;

    private static readonly TimeSpan ConnectTime = TimeSpan.FromSeconds(5);

    private readonly IConnection _connection;
    private readonly IChannel _channel;
    private readonly string _queue;
    private readonly TimeProvider _time;
    private readonly IIdSource _ids;
    private readonly Channel<SourceEvent> _arrived;

    private RabbitSource(IConnection connection, IChannel channel, string queue, int ahead, TimeProvider time, IIdSource ids)
    {
        (_connection, _channel, _queue, _time, _ids) = (connection, channel, queue, time, ids);
        _arrived = Channel.CreateBounded<SourceEvent>(ahead);
    }

    public static async Task<IEventSource> OpenAsync(Trigger trigger, TimeProvider time, IIdSource ids, CancellationToken cancellationToken)
    {
        var url = new Uri(trigger.Value("url", ""));
        var connection = await Factory(url, SourceText.Password(trigger.Source)).CreateConnectionAsync(cancellationToken);
        try
        {
            var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
            var queue = trigger.Value("queue", "");
            var ahead = Math.Max(AheadMin, trigger.BatchSize);
            var source = new RabbitSource(connection, channel, queue, ahead, time, ids);
            await channel.BasicQosAsync(0, (ushort)ahead, global: false, cancellationToken);
            var consumer = new AsyncEventingBasicConsumer(channel);
            consumer.ReceivedAsync += source.ArrivedAsync;
            connection.ConnectionShutdownAsync += source.BrokenAsync;
            channel.ChannelShutdownAsync += source.BrokenAsync;
            consumer.UnregisteredAsync += (_, _) => source.BrokenAsync("the queue is gone");
            await channel.BasicConsumeAsync(queue, autoAck: false, consumer, cancellationToken);
            return source;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    public static ConnectionFactory Factory(Uri url, string? password) => new()
    {
        HostName = url.Host,
        Port = url.Port < 0 ? AmqpTcpEndpoint.UseDefaultPort : url.Port,
        VirtualHost = url.AbsolutePath.Length > 1 ? Uri.UnescapeDataString(url.AbsolutePath[1..]) : "/",
        UserName = SourceText.User(url) ?? DefaultUser,
        Password = password ?? DefaultUser,
        Ssl = { Enabled = url.Scheme == "amqps", ServerName = url.Host },
        // Whoever uses the connection opens it anew.
        AutomaticRecoveryEnabled = false,
        RequestedConnectionTimeout = ConnectTime,
        ClientProvidedName = "dormouse",
    };

    public async Task<ImmutableArray<SourceEvent>> ReceiveAsync(int max, TimeSpan wait, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(wait, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        var events = ImmutableArray.CreateBuilder<SourceEvent>();
        try
        {
            events.Add(await _arrived.Reader.ReadAsync(either.Token));
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
            events.Add(more);
        }

        return events.ToImmutable();
    }

    public async Task AcknowledgeAsync(IReadOnlyList<SourceEvent> events, CancellationToken cancellationToken)
    {
        foreach (var done in events)
        {
            await _channel.BasicAckAsync(Tag(done), multiple: false, cancellationToken);
        }
    }

    /// <summary>To the queue's dead letter exchange, where it has one.</summary>
    public async Task RejectAsync(SourceEvent rejected, string reason, CancellationToken cancellationToken) =>
        await _channel.BasicNackAsync(Tag(rejected), multiple: false, requeue: false, cancellationToken);

    public async Task<long?> LagAsync(CancellationToken cancellationToken) => await _channel.MessageCountAsync(_queue, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        _arrived.Writer.TryComplete();
        await _channel.DisposeAsync();
        await _connection.DisposeAsync();
    }

    private static ulong Tag(SourceEvent from) => (ulong)from.Handle!; // Every event of this source has its tag.

    private async Task ArrivedAsync(object sender, BasicDeliverEventArgs message)
    {
        var properties = message.BasicProperties;
        var time = properties.IsTimestampPresent() ? DateTimeOffset.FromUnixTimeSeconds(properties.Timestamp.UnixTime) : (DateTimeOffset?)null;
        // The library uses the body's memory again when this returns.
        await _arrived.Writer.WriteAsync(new SourceEvent(
            properties.MessageId is { Length: > 0 } id ? id : _ids.NewId().ToString("D", CultureInfo.InvariantCulture), $"rabbitmq:{_queue}", properties.Type is { Length: > 0 } type ? type : "rabbitmq.message",
            time, message.Body.ToArray(), properties.ContentType)
        {
            Subject = message.RoutingKey,
            Handle = message.DeliveryTag,
        });
    }

    private Task BrokenAsync(object sender, ShutdownEventArgs why) => BrokenAsync(why.ReplyText);

    private Task BrokenAsync(string reason)
    {
        _arrived.Writer.TryComplete(new IOException("the connection to RabbitMQ ended: " + reason));
        return Task.CompletedTask;
    }
}
