using System.Buffers;
using System.Collections.Immutable;
using System.Text.Json;
using Dormouse.Core.Events;
using StackExchange.Redis;

namespace Dormouse.Brokers;

/// <summary>
/// Reads a stream by a consumer group: first what this consumer was given before and did not acknowledge, then new entries, and now and then what other consumers left lying. An entry
/// with a field <c>data</c> has that as its data, another one its fields as a JSON object.
/// </summary>
internal sealed class RedisSource : IEventSource
{
    private const string DataField = "data";

    private const string RejectedSuffix = ":rejected";

    /// <summary>A connection that many share cannot wait in the server, so it is asked this often.</summary>
    private static readonly TimeSpan AskInterval = TimeSpan.FromMilliseconds(200);

    private readonly ConnectionMultiplexer _connection;
    private readonly IDatabase _database;
    private readonly string _source;
    private readonly RedisKey _stream;
    private readonly RedisValue _group;
    private readonly RedisValue _consumer;
    private readonly TimeSpan _claimAfter;
    private readonly TimeProvider _time;
    private RedisValue? _own = "0";
    private DateTimeOffset _claimAt;

    private RedisSource(ConnectionMultiplexer connection, Trigger trigger, TimeSpan claimAfter, TimeProvider time)
    {
        (_connection, _database, _claimAfter, _time) = (connection, connection.GetDatabase(), claimAfter, time);
        (_stream, _group, _consumer) = (trigger.Value("stream", ""), trigger.Value("group", "dormouse"), "dormouse-" + trigger.Id);
        _source = "redis:" + trigger.Value("stream", "");
    }

    public static async Task<IEventSource> OpenAsync(Trigger trigger, TimeSpan claimAfter, TimeProvider time, CancellationToken cancellationToken)
    {
        var url = new Uri(trigger.Value("url", ""));
        var connection = await ConnectionMultiplexer.ConnectAsync(Options(url, SourceText.Password(trigger.Source))).WaitAsync(cancellationToken);
        var source = new RedisSource(connection, trigger, claimAfter, time);
        try
        {
            await source.MakeGroupAsync(trigger.Value("from", "start") == "new" ? "$" : "0");
            return source;
        }
        catch
        {
            await source.DisposeAsync();
            throw;
        }
    }

    public static ConfigurationOptions Options(Uri url, string? password) => new()
    {
        EndPoints = { { url.Host, url.Port < 0 ? 6379 : url.Port } },
        Ssl = url.Scheme == "rediss",
        User = SourceText.User(url),
        Password = password,
        AbortOnConnectFail = true,
        ConnectRetry = 1,
        ClientName = "dormouse",
    };

    public async Task<ImmutableArray<SourceEvent>> ReceiveAsync(int max, TimeSpan wait, CancellationToken cancellationToken)
    {
        var end = _time.GetUtcNow() + wait;
        while (true)
        {
            var entries = await ReadAsync(max);
            if (entries.Length > 0)
            {
                return [.. entries.Select(Event)];
            }

            var left = end - _time.GetUtcNow();
            if (left <= TimeSpan.Zero)
            {
                return [];
            }

            await Task.Delay(left < AskInterval ? left : AskInterval, _time, cancellationToken);
        }
    }

    public Task AcknowledgeAsync(IReadOnlyList<SourceEvent> events, CancellationToken cancellationToken) =>
        _database.StreamAcknowledgeAsync(_stream, _group, [.. events.Select(e => (RedisValue)e.Id)]);

    public async Task RejectAsync(SourceEvent rejected, string reason, CancellationToken cancellationToken)
    {
        var fields = ((StreamEntry)rejected.Handle!).Values; // Every event of this source has its entry.
        await _database.StreamAddAsync(_stream.Append(RejectedSuffix), [.. fields, new NameValueEntry("dormouse_id", rejected.Id), new NameValueEntry("dormouse_reason", reason)]);
        await _database.StreamAcknowledgeAsync(_stream, _group, rejected.Id);
    }

    public async Task<long?> LagAsync(CancellationToken cancellationToken)
    {
        foreach (var group in await _database.StreamGroupInfoAsync(_stream))
        {
            if (group.Name == (string?)_group)
            {
                return group.PendingMessageCount + (group.Lag ?? 0);
            }
        }

        return null;
    }

    public async ValueTask DisposeAsync()
    {
        await _connection.CloseAsync(allowCommandsToComplete: false);
        await _connection.DisposeAsync();
    }

    private async Task<StreamEntry[]> ReadAsync(int max)
    {
        if (_own is { } after)
        {
            // Given to this consumer before: by a server that ended, or through a connection that broke.
            var own = await _database.StreamReadGroupAsync(_stream, _group, _consumer, after, max);
            _own = own.Length > 0 ? own[^1].Id : (RedisValue?)null;
            if (own.Length > 0)
            {
                return [.. own.Where(e => !e.IsNull)];
            }
        }

        var now = _time.GetUtcNow();
        if (now >= _claimAt)
        {
            var claimed = await _database.StreamAutoClaimAsync(_stream, _group, _consumer, (long)_claimAfter.TotalMilliseconds, "0-0", max);
            if (claimed.ClaimedEntries is { Length: > 0 } entries)
            {
                return [.. entries.Where(e => !e.IsNull)];
            }

            _claimAt = now + (_claimAfter / 2);
        }

        return await _database.StreamReadGroupAsync(_stream, _group, _consumer, StreamPosition.NewMessages, max);
    }

    private async Task MakeGroupAsync(RedisValue position)
    {
        try
        {
            await _database.StreamCreateConsumerGroupAsync(_stream, _group, position, createStream: true);
        }
        catch (RedisServerException e) when (e.Message.StartsWith("BUSYGROUP", StringComparison.Ordinal))
        {
            // It is there already, where it was left.
        }
    }

    private SourceEvent Event(StreamEntry entry)
    {
        var data = entry[DataField];
        return new SourceEvent(entry.Id!, _source, "redis.stream", Time(entry.Id!), data.IsNull ? Json(entry.Values) : (byte[])data!, data.IsNull ? "application/json" : null) { Handle = entry }; // An entry has an id, and data that is there has bytes.
    }

    private static DateTimeOffset? Time(string id) =>
        long.TryParse(id.Split('-')[0], System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var milliseconds) && milliseconds < 253_402_300_800_000
            ? DateTimeOffset.FromUnixTimeMilliseconds(milliseconds)
            : null;

    private static ReadOnlyMemory<byte> Json(NameValueEntry[] fields)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        foreach (var field in fields)
        {
            json.WriteString((string)field.Name!, (string?)field.Value); // A field has a name.
        }

        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }
}
