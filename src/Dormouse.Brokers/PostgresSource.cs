using System.Collections.Immutable;
using System.Text;
using Dormouse.Brokers.Outlets;
using Dormouse.Core.Events;
using Npgsql;

namespace Dormouse.Brokers;

/// <summary>
/// Takes rows of a table, each locked for as long as we have it, and deletes or marks them in the transaction that took them. While it has none it waits for a notification, or asks the
/// table now and then. What is open when a connection breaks is given back by the database.
/// </summary>
internal sealed class PostgresSource : IEventSource
{
    private const int TimeoutSeconds = 10;

    private readonly NpgsqlConnection _connection;
    private readonly PostgresTable _table;
    private readonly string _source;
    private readonly TimeSpan _interval;
    private readonly TimeProvider _time;

    /// <summary>Ids of rows that are locked and not settled.</summary>
    private readonly HashSet<string> _held = new(StringComparer.Ordinal);
    private NpgsqlTransaction? _transaction;
    private volatile bool _isNotified;

    private PostgresSource(NpgsqlConnection connection, PostgresTable table, Trigger trigger, TimeSpan interval, TimeProvider time)
    {
        (_connection, _table, _interval, _time) = (connection, table, interval, time);
        _source = "postgres:" + trigger.Value("table", "");
        _connection.Notification += (_, _) => _isNotified = true;
    }

    public static async Task<IEventSource> OpenAsync(Trigger trigger, TimeSpan interval, TimeProvider time, CancellationToken cancellationToken)
    {
        var connection = new NpgsqlConnection(ConnectionString(new Uri(trigger.Value("url", "")), SourceText.Password(trigger.Source)));
        try
        {
            await connection.OpenAsync(cancellationToken);
            var table = await PostgresTable.ReadAsync(connection, trigger, cancellationToken);
            if (trigger.Source.TryGetValue("channel", out var channel))
            {
                await using var listen = new NpgsqlCommand("LISTEN \"" + channel.Replace("\"", "\"\"", StringComparison.Ordinal) + "\"", connection);
                await listen.ExecuteNonQueryAsync(cancellationToken);
            }

            return new PostgresSource(connection, table, trigger, interval, time);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    public async Task<ImmutableArray<SourceEvent>> ReceiveAsync(int max, TimeSpan wait, CancellationToken cancellationToken)
    {
        var end = _time.GetUtcNow() + wait;
        while (true)
        {
            _isNotified = false;
            var events = await TakeAsync(max, cancellationToken);
            if (!events.IsEmpty)
            {
                return events;
            }

            var left = end - _time.GetUtcNow();
            if (left <= TimeSpan.Zero)
            {
                return [];
            }

            var pause = left < _interval ? left : _interval;
            if (_transaction is not null)
            {
                // A batch that waits for more: its rows stay locked, and a transaction hears no notifications.
                await Task.Delay(pause, _time, cancellationToken);
            }
            else if (!_isNotified)
            {
                await WaitAsync(pause, cancellationToken);
            }
        }
    }

    public async Task AcknowledgeAsync(IReadOnlyList<SourceEvent> events, CancellationToken cancellationToken)
    {
        var ids = events.Select(e => e.Id).ToArray();
        await RunAsync(_table.Done, ids, null, cancellationToken);
        await SettleAsync(ids, cancellationToken);
    }

    /// <summary>Into a table beside this one, with the reason.</summary>
    public async Task RejectAsync(SourceEvent rejected, string reason, CancellationToken cancellationToken)
    {
        string[] ids = [rejected.Id];
        await RunAsync(_table.MakeRejected, null, null, cancellationToken);
        await RunAsync(_table.Reject, ids, reason, cancellationToken);
        await RunAsync(_table.Done, ids, null, cancellationToken);
        await SettleAsync(ids, cancellationToken);
    }

    public async Task<long?> LagAsync(CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(_table.Lag, _connection, _transaction);
        return (long?)await command.ExecuteScalarAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        // An open transaction ends with its connection.
        await _connection.DisposeAsync();
    }

    private static string ConnectionString(Uri url, string? password)
    {
        var query = OutletUrl.Query(url);
        var builder = new NpgsqlConnectionStringBuilder
        {
            Host = query.GetValueOrDefault("host", url.Host),
            Port = url.Port < 0 ? 5432 : url.Port,
            Database = Uri.UnescapeDataString(url.AbsolutePath.Trim('/')),
            Username = SourceText.User(url),
            Password = password,
            Pooling = false,
            Enlist = false,
            Timeout = TimeoutSeconds,
            CommandTimeout = TimeoutSeconds,
            TcpKeepAlive = true,
            ApplicationName = "dormouse",
        };
        if (query.TryGetValue("sslmode", out var mode))
        {
            builder["SSL Mode"] = mode;
        }

        return builder.ConnectionString;
    }

    /// <summary>A connection that listens hears of rows at once; it also hears that it is broken.</summary>
    private async Task WaitAsync(TimeSpan pause, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(pause, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await _connection.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The table is asked again.
        }
    }

    private async Task<ImmutableArray<SourceEvent>> TakeAsync(int max, CancellationToken cancellationToken)
    {
        _transaction ??= await _connection.BeginTransactionAsync(cancellationToken);
        var events = ImmutableArray.CreateBuilder<SourceEvent>();
        await using (var command = new NpgsqlCommand(_table.Take, _connection, _transaction) { Parameters = { new() { Value = _held.ToArray() }, new() { Value = max } } })
        await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                ReadOnlyMemory<byte> data = reader.IsDBNull(1) ? default : _table.IsBytes ? reader.GetFieldValue<byte[]>(1) : Encoding.UTF8.GetBytes(reader.GetString(1));
                events.Add(new SourceEvent(reader.GetString(0), _source, "postgres.row", null, data, _table.ContentType));
            }
        }

        _held.UnionWith(events.Select(e => e.Id));
        await SettleAsync([], cancellationToken);
        return events.ToImmutable();
    }

    /// <summary>When all that is locked is settled, it is so for good.</summary>
    private async Task SettleAsync(string[] done, CancellationToken cancellationToken)
    {
        _held.ExceptWith(done);
        if (_held.Count == 0 && _transaction is { } transaction)
        {
            await transaction.CommitAsync(cancellationToken);
            await transaction.DisposeAsync();
            _transaction = null;
        }
    }

    private async Task RunAsync(string text, string[]? ids, string? reason, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(text, _connection, _transaction);
        if (ids is not null)
        {
            command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = ids });
        }

        if (reason is not null)
        {
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = reason });
        }

        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
