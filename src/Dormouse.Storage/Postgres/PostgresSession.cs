using System.Collections.Immutable;
using System.Data;
using System.Data.Common;
using System.Globalization;
using System.Text;
using Dormouse.Storage.Sql;
using Npgsql;

namespace Dormouse.Storage.Postgres;

/// <summary>A connection to PostgreSQL, made when it is first needed and made anew when it broke, except within a transaction.</summary>
internal sealed class PostgresSession(PostgresAddress address) : SqlSession
{
    /// <summary>
    /// Whoever commits was told that it is durable, also where the database's default says otherwise. A server that stops in mid-transaction, with the lock that all others wait for, is thrown
    /// out after a while.
    /// </summary>
    private const string Settings =
        """
        SET idle_in_transaction_session_timeout = '30s';
        SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
        """;

    private readonly Dictionary<string, NpgsqlCommand> _commands = new(StringComparer.Ordinal);
    private NpgsqlConnection? _connection;
    private NpgsqlBatch? _begin;
    private bool _isInTransaction;
    private bool _hasWorked;
    private bool _hasTimedOut;

    public override bool IsBroken => _connection is { State: not ConnectionState.Open };

    /// <summary>A savepoint would cost each operation two round trips and the database a transaction within the transaction.</summary>
    public override bool HasParts => false;

    public override bool IsOutsideTransaction => !_isInTransaction;

    public override bool TryRenew() => !_isInTransaction && IsBroken && _hasWorked && !_hasTimedOut;

    public override bool IsShared => true;

    public override string Describe() =>
        $"PostgreSQL {First("SELECT split_part(current_setting('server_version'), ' ', 1)", r => r.GetString(0))} at {address}, format {PostgresMigrator.Version(this)}";

    /// <summary>PostgreSQL keeps its own rules; what its operator can do beside (checksums, <c>pg_amcheck</c>) is not for its clients.</summary>
    public override IReadOnlyList<string> Inspect() => [];

    /// <summary>
    /// The lock makes the transactions of all servers one after the other, as the embedded database does: what an operation has read holds until it writes. Readers are not held up. It is
    /// released when the commit is durable and seen by all.
    /// </summary>
    public override void Begin()
    {
        try
        {
            BeginOnce();
        }
        catch (Exception e) when (PostgresErrors.Translate(e) is StoreUnavailableException && IsBroken && _hasWorked && !_hasTimedOut)
        {
            // The connection broke while it was idle, and nothing has been done: a new one may work.
            _isInTransaction = false;
            BeginOnce();
        }
    }

    public override void Commit()
    {
        Execute("COMMIT");
        _isInTransaction = false;
    }

    public override void Undo()
    {
        if (!_isInTransaction)
        {
            return;
        }

        try
        {
            if (!IsBroken)
            {
                Execute("ROLLBACK");
            }
        }
        catch (Exception e) when (PostgresErrors.Translate(e) is StoreUnavailableException)
        {
            // The database undoes what its client has left open.
            Drop();
        }
        finally
        {
            _isInTransaction = false;
        }
    }

    public override void BeginPart()
    {
    }

    public override void UndoPart()
    {
    }

    public override void EndPart()
    {
    }

    public override T AtOneMoment<T>(Func<T> reads)
    {
        Execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        _isInTransaction = true;
        try
        {
            var result = reads();
            Execute("COMMIT");
            _isInTransaction = false;
            return result;
        }
        catch
        {
            Undo();
            throw;
        }
    }

    /// <summary>Runs statements in a transaction of their own, without the lock of those who write.</summary>
    public void Transact(Action statements)
    {
        Execute("BEGIN");
        _isInTransaction = true;
        try
        {
            statements();
            Commit();
        }
        catch
        {
            Undo();
            throw;
        }
    }

    /// <summary>Writes many rows, within a transaction. Returns how many.</summary>
    public long Import(string table, ImmutableArray<string> columns, IEnumerable<object?[]> rows) => PostgresImport.Import(Connect(), table, columns, rows);

    public override Exception Translate(Exception error) => PostgresErrors.Translate(error);

    public override void Script(string sql)
    {
        using var command = new NpgsqlCommand(sql, Connect());
        Guarded(command, static c => c.ExecuteNonQuery());
    }

    public override int Execute(string sql, params ReadOnlySpan<(string Name, object? Value)> values) => Guarded(Bind(sql, values), static c => c.ExecuteNonQuery());

    public override DbDataReader Read(string sql, params ReadOnlySpan<(string Name, object? Value)> values) => Guarded(Bind(sql, values), static c => c.ExecuteReader());

    /// <summary>The statement with its values by number, as PostgreSQL wants them.</summary>
    internal static string Numbered(string sql, ReadOnlySpan<(string Name, object? Value)> values)
    {
        if (values.IsEmpty)
        {
            return sql;
        }

        var text = new StringBuilder(sql.Length);
        for (var i = 0; i < sql.Length; i++)
        {
            if (sql[i] != '$')
            {
                text.Append(sql[i]);
                continue;
            }

            var end = i + 1;
            while (end < sql.Length && (char.IsAsciiLetterOrDigit(sql[end]) || sql[end] == '_'))
            {
                end++;
            }

            text.Append(CultureInfo.InvariantCulture, $"${Number(sql.AsSpan(i, end - i), values)}");
            i = end - 1;
        }

        return text.ToString();
    }

    protected override void Dispose(bool disposing) => Drop();

    private static int Number(ReadOnlySpan<char> name, ReadOnlySpan<(string Name, object? Value)> values)
    {
        for (var i = 0; i < values.Length; i++)
        {
            if (name.SequenceEqual(values[i].Name))
            {
                return i + 1;
            }
        }

        throw new ArgumentException($"The statement names {name}, and no value has that name.", nameof(values));
    }

    /// <summary>Texts may hold no NUL in PostgreSQL; what had one shows that something was there.</summary>
    private static object Stored(object? value) => value switch
    {
        null => DBNull.Value,
        int number => (long)number,
        string text when text.Contains('\0', StringComparison.Ordinal) => text.Replace('\0', '\uFFFD'),
        _ => value,
    };

    private void BeginOnce()
    {
        var connection = Connect();
        _begin ??= new NpgsqlBatch(connection)
        {
            BatchCommands = { new NpgsqlBatchCommand("BEGIN"), new NpgsqlBatchCommand("LOCK TABLE dormouse_writer IN EXCLUSIVE MODE") },
        };
        _isInTransaction = true;
        Guarded(_begin, static b => b.ExecuteNonQuery());
    }

    private NpgsqlConnection Connect()
    {
        if (_connection is { State: ConnectionState.Open } open)
        {
            return open;
        }

        if (_isInTransaction)
        {
            throw new StoreUnavailableException("The connection to the database broke within a transaction.");
        }

        Drop();
        _hasWorked = _hasTimedOut = false;
        var connection = new NpgsqlConnection(address.ConnectionString);
        try
        {
            connection.Open();
            using var settings = new NpgsqlCommand(Settings, connection);
            settings.ExecuteNonQuery();
        }
        catch
        {
            connection.Dispose();
            throw;
        }

        return _connection = connection;
    }

    private NpgsqlCommand Bind(string sql, ReadOnlySpan<(string Name, object? Value)> values)
    {
        var connection = Connect();
        if (!_commands.TryGetValue(sql, out var command))
        {
            command = new NpgsqlCommand(Numbered(sql, values), connection);
            foreach (var _ in values)
            {
                command.Parameters.Add(new NpgsqlParameter());
            }

            _commands.Add(sql, command);
        }

        for (var i = 0; i < values.Length; i++)
        {
            command.Parameters[i].Value = Stored(values[i].Value);
        }

        return command;
    }

    private TResult Guarded<TCommand, TResult>(TCommand command, Func<TCommand, TResult> run)
    {
        try
        {
            var result = run(command);
            _hasWorked = true;
            return result;
        }
        catch (Exception e) when (PostgresErrors.IsTimeout(e))
        {
            _hasTimedOut = true;
            throw;
        }
    }

    private void Drop()
    {
        foreach (var command in _commands.Values)
        {
            command.Dispose();
        }

        _commands.Clear();
        _begin?.Dispose();
        _begin = null;
        _connection?.Dispose();
        _connection = null;
    }
}
