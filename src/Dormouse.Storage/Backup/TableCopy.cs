using System.Collections.Immutable;
using Dormouse.Storage.Postgres;
using Dormouse.Storage.Sqlite;

namespace Dormouse.Storage.Backup;

/// <summary>Copies all rows from one kind of database to the other, both of this version's schema, in one transaction on either side.</summary>
internal static class TableCopy
{
    /// <summary>Into an embedded database that is empty.</summary>
    /// <returns>How many rows.</returns>
    public static long ToSqlite(PostgresSession from, SqliteSession to, CancellationToken cancellationToken) => from.AtOneMoment(() =>
    {
        var rows = 0L;
        to.Begin();
        try
        {
            foreach (var table in CopiedTable.All(to))
            {
                rows += Insert(from, to, table, cancellationToken);
            }

            to.Commit();
            return rows;
        }
        catch
        {
            to.Undo();
            throw;
        }
    });

    /// <summary>Into a PostgreSQL database whose tables are empty.</summary>
    /// <returns>How many rows.</returns>
    /// <exception cref="DataFolderException">The tables are not empty; nothing was changed.</exception>
    public static long ToPostgres(SqliteSession from, PostgresSession to, PostgresAddress address, CancellationToken cancellationToken) => from.AtOneMoment(() =>
    {
        to.Begin();
        try
        {
            var tables = CopiedTable.All(from);
            if (tables.FirstOrDefault(t => to.Has($"SELECT 1 FROM {t.Name} LIMIT 1")) is { } full)
            {
                throw new DataFolderException($"{address} is not empty: its table {full.Name} has rows. Use an empty database, or another schema (?search_path=NAME).");
            }

            var rows = tables.Sum(t => to.Import(t.Name, t.Columns, Rows(from, t, cancellationToken)));
            to.Commit();
            return rows;
        }
        catch
        {
            to.Undo();
            throw;
        }
    });

    private static long Insert(PostgresSession from, SqliteSession to, CopiedTable table, CancellationToken cancellationToken)
    {
        var names = table.Columns.Select(c => "$" + c).ToImmutableArray();
        var insert = $"INSERT INTO {table.Name} ({table.ColumnList}) VALUES ({string.Join(", ", names)})";
        var values = new (string Name, object? Value)[names.Length];
        var count = 0L;
        using var rows = from.Read($"SELECT {table.ColumnList} FROM {table.Name}");
        while (rows.Read())
        {
            cancellationToken.ThrowIfCancellationRequested();
            for (var i = 0; i < values.Length; i++)
            {
                values[i] = (names[i], rows.IsDBNull(i) ? null : rows.GetValue(i));
            }

            to.Execute(insert, values);
            count++;
        }

        return count;
    }

    private static IEnumerable<object?[]> Rows(SqliteSession from, CopiedTable table, CancellationToken cancellationToken)
    {
        using var rows = from.Read($"SELECT {table.ColumnList} FROM {table.Name}");
        while (rows.Read())
        {
            cancellationToken.ThrowIfCancellationRequested();
            var values = new object?[table.Columns.Length];
            for (var i = 0; i < values.Length; i++)
            {
                values[i] = rows.IsDBNull(i) ? null : rows.GetValue(i);
            }

            yield return values;
        }
    }
}
