using System.Data.Common;
using Dormouse.Storage.Sql;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Dormouse.Storage.Sqlite;

/// <summary>A connection to the embedded database.</summary>
internal sealed class SqliteSession : SqlSession
{
    private readonly SqliteConnection _connection;
    private readonly Dictionary<string, SqliteCommand> _commands = new(StringComparer.Ordinal);

    private SqliteSession(SqliteConnection connection) => _connection = connection;

    public override bool HasParts => true;

    /// <summary>SQLite itself undoes a transaction after some errors.</summary>
    public override bool IsOutsideTransaction => raw.sqlite3_get_autocommit(_connection.Handle) != 0;

    /// <summary>
    /// Opens the file for writing, making it when missing. Every commit reaches the disk before it returns. The log is folded back after 16 MiB (4,000 pages) instead of 4: pages that every
    /// item changes are written back a quarter as often, and a start after a crash reads no more than that.
    /// </summary>
    public static SqliteSession OpenWriter(string path) => Open(
        path,
        SqliteOpenMode.ReadWriteCreate,
        "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = 4000;");

    public static SqliteSession OpenReader(string path) => Open(path, SqliteOpenMode.ReadOnly, "PRAGMA busy_timeout = 5000;");

    /// <summary>Opens a file that was closed in order, and makes nothing beside it: an ordinary reader makes the log's index.</summary>
    public static SqliteSession OpenUntouched(string path) =>
        Open($"file:{Uri.EscapeDataString(path)}?immutable=1", SqliteOpenMode.ReadOnly, "PRAGMA busy_timeout = 5000;");

    public override bool IsShared => false;

    public override string Describe() => $"SQLite {First("SELECT sqlite_version()", r => r.GetString(0))} in {_connection.DataSource}, format {Number("PRAGMA user_version")}";

    public override IReadOnlyList<string> Inspect() =>
    [
        .. All("PRAGMA integrity_check(20)", r => r.GetString(0)).Where(line => line != "ok").Select(line => $"The database is damaged: {line}."),
        .. All("PRAGMA foreign_key_check", r => $"A row of {r.GetString(0)} refers to a row of {r.GetString(2)} that is not there."),
    ];

    public override void Begin() => Execute("BEGIN IMMEDIATE");

    public override void Commit() => Execute("COMMIT");

    public override void Undo()
    {
        if (!IsOutsideTransaction)
        {
            Execute("ROLLBACK");
        }
    }

    public override void BeginPart() => Execute("SAVEPOINT operation");

    public override void UndoPart() => Execute("ROLLBACK TO operation");

    public override void EndPart() => Execute("RELEASE operation");

    public override T AtOneMoment<T>(Func<T> reads)
    {
        Execute("BEGIN");
        try
        {
            return reads();
        }
        finally
        {
            Execute("COMMIT");
        }
    }

    public override Exception Translate(Exception error) => SqliteErrors.Translate(error);

    public override void Script(string sql)
    {
        using var command = _connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    public override int Execute(string sql, params ReadOnlySpan<(string Name, object? Value)> values) => Bind(sql, values).ExecuteNonQuery();

    public override DbDataReader Read(string sql, params ReadOnlySpan<(string Name, object? Value)> values) => Bind(sql, values).ExecuteReader();

    protected override void Dispose(bool disposing)
    {
        foreach (var command in _commands.Values)
        {
            command.Dispose();
        }

        _connection.Dispose();
    }

    private static SqliteSession Open(string path, SqliteOpenMode mode, string settings)
    {
        var text = new SqliteConnectionStringBuilder { DataSource = path, Mode = mode, Pooling = false };
        var connection = new SqliteConnection(text.ToString());
        try
        {
            connection.Open();
            var session = new SqliteSession(connection);
            session.Script(settings);
            return session;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private SqliteCommand Bind(string sql, ReadOnlySpan<(string Name, object? Value)> values)
    {
        if (!_commands.TryGetValue(sql, out var command))
        {
            command = _connection.CreateCommand();
            command.CommandText = sql;
            foreach (var (name, _) in values)
            {
                command.Parameters.Add(new SqliteParameter { ParameterName = name });
            }

            _commands.Add(sql, command);
        }

        for (var i = 0; i < values.Length; i++)
        {
            command.Parameters[i].Value = values[i].Value switch
            {
                null => DBNull.Value,
                Guid id => id.ToByteArray(bigEndian: true),
                short number => (long)number,
                var value => value,
            };
        }

        return command;
    }
}
