using System.Collections.Immutable;
using System.Data;
using System.Data.Common;
using Dormouse.Core.Sharing;
using Dormouse.Storage.Sql;
using Npgsql;

namespace Dormouse.Storage.Postgres;

/// <summary>
/// A connection to PostgreSQL, made when it is first needed and made anew when it broke, except within a transaction. Statements that nobody waits for, and a transaction's beginning and its end,
/// go with the next one that is waited for: a transaction takes as many trips as it has questions, and one for its end.
/// </summary>
/// <param name="server">Identity of the server that changes things with it.</param>
internal sealed class PostgresSession(PostgresAddress address, Guid server = default) : SqlSession
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

    /// <summary>Statements that <see cref="Begin"/> leaves unsent.</summary>
    private const int Beginning = 2;

    private readonly Dictionary<string, NpgsqlCommand> _commands = new(StringComparer.Ordinal);
    private NpgsqlConnection? _connection;
    private readonly Dictionary<string, string> _texts = new(StringComparer.Ordinal);

    /// <summary>What has not been sent yet of the transaction.</summary>
    private readonly List<NpgsqlBatchCommand> _unsent = [];
    private bool _isInTransaction;

    /// <summary>Nothing of the transaction has been sent: on another connection it would begin just the same.</summary>
    private bool _isBeginUnsent;
    private bool _hasWorked;
    private bool _hasTimedOut;

    /// <summary>How often it has waited for the database.</summary>
    public long Trips { get; private set; }

    public override bool IsBroken => _connection is { State: not ConnectionState.Open };

    /// <summary>A savepoint would cost each operation two round trips and the database a transaction within the transaction.</summary>
    public override bool HasParts => false;

    public override bool TakesArrays => true;

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
        _isInTransaction = _isBeginUnsent = true;
        _unsent.Add(new NpgsqlBatchCommand("BEGIN"));
        _unsent.Add(new NpgsqlBatchCommand("LOCK TABLE dormouse_writer IN EXCLUSIVE MODE"));
    }

    /// <summary>Its end is sent alone when nothing was sent before: then the beginning can be sent again on another connection, and the end never is.</summary>
    public override void Commit()
    {
        if (_isBeginUnsent)
        {
            if (_unsent.Count == Beginning)
            {
                Forget();
                return;
            }

            Send(null);
        }

        Execute("COMMIT");
        _isInTransaction = false;
    }

    public override void Tell(SharedKind kind, string subject) => PostgresChanges.Add(this, kind, subject, server);

    public override void Undo()
    {
        if (!_isInTransaction)
        {
            return;
        }

        try
        {
            _unsent.Clear();
            if (!IsBroken && !_isBeginUnsent)
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
            Forget();
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
    public long Import(string table, ImmutableArray<string> columns, IEnumerable<object?[]> rows)
    {
        Send(null);
        return PostgresImport.Import(Connect(), table, columns, rows);
    }

    public override Exception Translate(Exception error) => PostgresErrors.Translate(error);

    public override void Script(string sql)
    {
        Send(null);
        using var command = new NpgsqlCommand(sql, Connect());
        Guarded(command, static c => c.ExecuteNonQuery());
    }

    public override int Execute(string sql, params ReadOnlySpan<(string Name, object? Value)> values)
    {
        if (_unsent.Count == 0)
        {
            return Guarded(Bind(sql, values), static c => c.ExecuteNonQuery());
        }

        return Send(Command(sql, values));
    }

    public override void Later(string sql, params ReadOnlySpan<(string Name, object? Value)> values)
    {
        if (_isInTransaction)
        {
            _unsent.Add(Command(sql, values));
        }
        else
        {
            Execute(sql, values);
        }
    }

    /// <summary>What was unsent returns no rows, so that the reader stands at this statement's.</summary>
    public override DbDataReader Read(string sql, params ReadOnlySpan<(string Name, object? Value)> values) =>
        _unsent.Count == 0 ? Guarded(Bind(sql, values), static c => c.ExecuteReader()) : SendOnce(Command(sql, values), static b => (DbDataReader)b.ExecuteReader());

    public override void Ask(IReadOnlyList<SqlQuestion> questions)
    {
        if (questions.Count == 0)
        {
            return;
        }

        foreach (var question in questions.Take(questions.Count - 1))
        {
            _unsent.Add(Command(question.Sql, question.Values));
        }

        // The reader goes past what returns no rows.
        using var reader = SendOnce(Command(questions[^1].Sql, questions[^1].Values), static b => (DbDataReader)b.ExecuteReader());
        for (var i = 0; i < questions.Count; i++)
        {
            if (i > 0 && !reader.NextResult())
            {
                throw new InvalidOperationException("A question returns rows, even when they are none.");
            }

            questions[i].Take(reader);
        }
    }

    protected override void Dispose(bool disposing) => Drop();

    private void Forget()
    {
        _unsent.Clear();
        _isInTransaction = _isBeginUnsent = false;
    }

    /// <summary>Sends what is unsent and <paramref name="last"/>, and waits until it is done. Returns the rows that the last one changed.</summary>
    private int Send(NpgsqlBatchCommand? last) => _unsent.Count == 0 && last is null ? 0 : SendOnce(last, static b =>
    {
        b.ExecuteNonQuery();
        return b.BatchCommands[^1].RecordsAffected;
    });

    private T SendOnce<T>(NpgsqlBatchCommand? last, Func<NpgsqlBatch, T> run)
    {
        if (last is not null)
        {
            _unsent.Add(last);
        }

        try
        {
            return RunBatch(run);
        }
        catch (Exception e) when (_isBeginUnsent && PostgresErrors.Translate(e) is StoreUnavailableException && IsBroken && _hasWorked && !_hasTimedOut)
        {
            // The connection broke while it was idle, and nothing has been done: a new one may work. What was prepared on the old one is not on that.
            for (var i = 0; i < _unsent.Count; i++)
            {
                _unsent[i] = Anew(_unsent[i]);
            }

            return RunBatch(run);
        }
        finally
        {
            _isBeginUnsent = false;
            _unsent.Clear();
        }
    }

    private static NpgsqlBatchCommand Anew(NpgsqlBatchCommand command)
    {
        var anew = new NpgsqlBatchCommand(command.CommandText);
        foreach (NpgsqlParameter parameter in command.Parameters)
        {
            anew.Parameters.Add(new NpgsqlParameter { Value = parameter.Value });
        }

        return anew;
    }

    private T RunBatch<T>(Func<NpgsqlBatch, T> run)
    {
        var batch = new NpgsqlBatch(Connect());
        foreach (var command in _unsent)
        {
            batch.BatchCommands.Add(command);
        }

        return Guarded(batch, run);
    }

    private NpgsqlBatchCommand Command(string sql, ReadOnlySpan<(string Name, object? Value)> values)
    {
        if (!_texts.TryGetValue(sql, out var text))
        {
            _texts.Add(sql, text = PostgresText.Numbered(sql, values));
        }

        var command = new NpgsqlBatchCommand(text);
        foreach (var (_, value) in values)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = PostgresText.Stored(value) });
        }

        return command;
    }

    private NpgsqlConnection Connect()
    {
        if (_connection is { State: ConnectionState.Open } open)
        {
            return open;
        }

        if (_isInTransaction && !_isBeginUnsent)
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
            command = new NpgsqlCommand(PostgresText.Numbered(sql, values), connection);
            foreach (var _ in values)
            {
                command.Parameters.Add(new NpgsqlParameter());
            }

            _commands.Add(sql, command);
        }

        for (var i = 0; i < values.Length; i++)
        {
            command.Parameters[i].Value = PostgresText.Stored(values[i].Value);
        }

        return command;
    }

    private TResult Guarded<TCommand, TResult>(TCommand command, Func<TCommand, TResult> run)
    {
        try
        {
            Trips++;
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
        _connection?.Dispose();
        _connection = null;
    }
}
