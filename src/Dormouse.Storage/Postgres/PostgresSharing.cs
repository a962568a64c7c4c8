using System.Collections.Immutable;
using Dormouse.Core.Sharing;
using Npgsql;

namespace Dormouse.Storage.Postgres;

/// <summary>
/// A connection of its own on which the database says at once that something was changed. What it was is read from the table of changes, and so it is each second without a word: a
/// notification that was lost, or a connection that broke, costs a second. The same connection holds the lease of the owner.
/// </summary>
/// <param name="last">Number of the last change when the store was opened.</param>
internal sealed class PostgresSharing(PostgresAddress address, Guid server, long last, TimeProvider time) : IServerSharing
{
    /// <summary>How often it looks without being told, and the pause before a new connection.</summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    /// <summary>How long a server is the owner without saying so again.</summary>
    private static readonly TimeSpan OwnedTime = TimeSpan.FromSeconds(6);

    private static readonly TimeSpan HoldInterval = TimeSpan.FromSeconds(2);

    /// <summary>A database that takes longer counts as away; less than <see cref="OwnedTime"/>.</summary>
    private const int StatementSeconds = 4;

    /// <summary>Changes read at once.</summary>
    private const int ReadMax = 1_000;

    private const string Now = "(extract(epoch from clock_timestamp()) * 1000000)::bigint";

    private const string Look =
        $"""
        SELECT COALESCE(MIN(number), 0), COALESCE(MAX(number), 0), EXISTS (SELECT 1 FROM dormouse_owner WHERE until > {Now} AND server_id <> $1) FROM dormouse_changes
        """;

    private const string Changes = "SELECT number, kind, subject, server_id FROM dormouse_changes WHERE number > $1 ORDER BY number LIMIT $2";

    private const string Own =
        $"""
        INSERT INTO dormouse_owner (only_row, server_id, until) VALUES (1, $1, {Now} + $2)
        ON CONFLICT (only_row) DO UPDATE SET server_id = excluded.server_id, until = excluded.until
        WHERE dormouse_owner.server_id = excluded.server_id OR dormouse_owner.until <= {Now}
        """;

    private const string Leave = "UPDATE dormouse_owner SET until = 0 WHERE server_id = $1";

    private readonly string _connectionString = new NpgsqlConnectionStringBuilder(address.ConnectionString) { CommandTimeout = StatementSeconds, MaxAutoPrepare = 0 }.ConnectionString;
    private long _last = last;
    private long _ownedAt;
    private volatile bool _isOwned;
    private bool _wasOwner;
    private volatile bool _hasLeft;

    public bool IsShared => true;

    public bool IsOwner => _isOwned && time.GetElapsedTime(Volatile.Read(ref _ownedAt)) < OwnedTime;

    public async Task FollowAsync(Func<SharedNews, Task> apply, Action<Exception?> isAway, CancellationToken cancellationToken)
    {
        var hasFailed = false;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await using var connection = await OpenAsync(cancellationToken);
                await ListenAsync(
                    connection, apply,
                    () =>
                    {
                        if (hasFailed)
                        {
                            hasFailed = false;
                            isAway(null);
                        }
                    },
                    cancellationToken);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                // The top of the loop: the connection broke, the database is away, or the news could not be taken. They are told again.
                if (!hasFailed)
                {
                    isAway(PostgresErrors.Translate(e));
                }

                hasFailed = true;
            }
            catch (Exception)
            {
                // The server stops.
                return;
            }

            try
            {
                await Task.Delay(LookInterval, time, cancellationToken);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    public async Task LeaveAsync()
    {
        _hasLeft = true;
        if (!_isOwned)
        {
            return;
        }

        _isOwned = false;
        try
        {
            await using var connection = await OpenAsync(CancellationToken.None);
            await using var leave = new NpgsqlCommand(Leave, connection) { Parameters = { new() { Value = server } } };
            await leave.ExecuteNonQueryAsync();
        }
        catch (Exception e) when (PostgresErrors.Translate(e) is StoreUnavailableException)
        {
            // It ends by itself.
        }
    }

    private async Task<NpgsqlConnection> OpenAsync(CancellationToken cancellationToken)
    {
        var connection = new NpgsqlConnection(_connectionString);
        try
        {
            await connection.OpenAsync(cancellationToken);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Until the connection breaks or the token ends it.</summary>
    private async Task ListenAsync(NpgsqlConnection connection, Func<SharedNews, Task> apply, Action works, CancellationToken cancellationToken)
    {
        // A notification may also come in between, with the answer to a statement.
        var isTold = false;
        connection.Notification += (_, _) => Volatile.Write(ref isTold, true);
        await using (var listen = new NpgsqlCommand("LISTEN " + PostgresChanges.Channel, connection))
        {
            await listen.ExecuteNonQueryAsync(cancellationToken);
        }

        while (true)
        {
            Volatile.Write(ref isTold, false);
            var hasMore = await LookAsync(connection, apply, cancellationToken);
            works();
            if (!hasMore && !Volatile.Read(ref isTold))
            {
                await connection.WaitAsync(LookInterval, cancellationToken);
            }
        }
    }

    /// <summary>True when there is more to read.</summary>
    private async Task<bool> LookAsync(NpgsqlConnection connection, Func<SharedNews, Task> apply, CancellationToken cancellationToken)
    {
        long first, newest;
        bool isOwnedByOther;
        await using (var look = new NpgsqlCommand(Look, connection) { Parameters = { new() { Value = server } } })
        await using (var row = await look.ExecuteReaderAsync(cancellationToken))
        {
            await row.ReadAsync(cancellationToken);
            (first, newest, isOwnedByOther) = (row.GetInt64(0), row.GetInt64(1), row.GetBoolean(2));
        }

        await OwnAsync(connection, isOwnedByOther, cancellationToken);

        // A smaller number than before: the database was restored from an earlier time.
        var isMissed = newest < _last || (newest > _last && first > _last + 1);
        var (changes, isUnknown, read) = newest > _last && !isMissed ? await ReadAsync(connection, cancellationToken) : ([], false, newest);
        var isOwner = IsOwner;
        if (isMissed || isUnknown || !changes.IsEmpty || isOwner != _wasOwner)
        {
            await apply(new SharedNews(changes, isMissed || isUnknown, isOwner != _wasOwner));
        }

        (_last, _wasOwner) = (read, isOwner);
        return read < newest;
    }

    private async Task<(ImmutableArray<SharedChange> Changes, bool IsUnknown, long Read)> ReadAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var changes = ImmutableArray.CreateBuilder<SharedChange>();
        var (isUnknown, read) = (false, _last);
        await using var command = new NpgsqlCommand(Changes, connection) { Parameters = { new() { Value = _last }, new() { Value = (long)ReadMax } } };
        await using var rows = await command.ExecuteReaderAsync(cancellationToken);
        while (await rows.ReadAsync(cancellationToken))
        {
            read = rows.GetInt64(0);
            if (Codes.SharedKinds.TryValue(rows.GetString(1), out var kind))
            {
                changes.Add(new SharedChange(kind, rows.GetString(2), rows.GetGuid(3) == server));
            }
            else
            {
                // Of a newer server beside this one.
                isUnknown = true;
            }
        }

        return (changes.ToImmutable(), isUnknown, read);
    }

    /// <summary>Holds the lease anew, or takes one that is over. The time counts from before the database heard of it.</summary>
    private async Task OwnAsync(NpgsqlConnection connection, bool isOwnedByOther, CancellationToken cancellationToken)
    {
        if (isOwnedByOther)
        {
            _isOwned = false;
            return;
        }

        if (_hasLeft || (IsOwner && time.GetElapsedTime(_ownedAt) < HoldInterval))
        {
            return;
        }

        var now = time.GetTimestamp();
        await using var own = new NpgsqlCommand(Own, connection) { Parameters = { new() { Value = server }, new() { Value = (long)OwnedTime.TotalMicroseconds } } };
        var isMine = await own.ExecuteNonQueryAsync(cancellationToken) == 1;
        Volatile.Write(ref _ownedAt, now);
        _isOwned = isMine;
    }
}
