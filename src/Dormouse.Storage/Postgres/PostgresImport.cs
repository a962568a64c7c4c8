using System.Collections.Immutable;
using System.Globalization;
using Npgsql;
using NpgsqlTypes;

namespace Dormouse.Storage.Postgres;

/// <summary>Rows as the embedded database has them, written into a table by PostgreSQL's own binary way.</summary>
internal static class PostgresImport
{
    /// <summary>Within a transaction. Numbers that the table gives out go on behind the highest that came.</summary>
    public static long Import(NpgsqlConnection connection, string table, ImmutableArray<string> columns, IEnumerable<object?[]> rows)
    {
        var types = TypesOf(connection, table);
        var kinds = columns.Select(c => types[c].Type).ToArray();
        var count = 0L;
        using (var writer = connection.BeginBinaryImport($"COPY {table} ({string.Join(", ", columns)}) FROM STDIN (FORMAT BINARY)"))
        {
            foreach (var row in rows)
            {
                writer.StartRow();
                for (var i = 0; i < kinds.Length; i++)
                {
                    Write(writer, row[i], kinds[i]);
                }

                count++;
            }

            writer.Complete();
        }

        foreach (var column in columns.Where(c => types[c].IsNumbered))
        {
            using var numbers = new NpgsqlCommand($"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), (SELECT COALESCE(MAX({column}), 0) + 1 FROM {table}), false)", connection);
            numbers.ExecuteNonQuery();
        }

        return count;
    }

    private static void Write(NpgsqlBinaryImporter writer, object? value, string type)
    {
        switch (value, type)
        {
            case (null, _):
                writer.WriteNull();
                break;
            case (byte[] bytes, "uuid"):
                writer.Write(new Guid(bytes, bigEndian: true), NpgsqlDbType.Uuid);
                break;
            case (byte[] bytes, "bytea"):
                writer.Write(bytes, NpgsqlDbType.Bytea);
                break;
            case (long number, "int8"):
                writer.Write(number, NpgsqlDbType.Bigint);
                break;
            case (long number, "int2"):
                writer.Write(checked((short)number), NpgsqlDbType.Smallint);
                break;
            case (double number, "float8"):
                writer.Write(number, NpgsqlDbType.Double);
                break;
            case (string text, "text"):
                writer.Write(text.Replace('\0', '\uFFFD'), NpgsqlDbType.Text);
                break;
            default:
                throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"A value of type {value.GetType().Name} cannot be a PostgreSQL {type}."));
        }
    }

    private static Dictionary<string, (string Type, bool IsNumbered)> TypesOf(NpgsqlConnection connection, string table)
    {
        using var command = new NpgsqlCommand("SELECT column_name, udt_name, is_identity = 'YES' FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1", connection)
        {
            Parameters = { new NpgsqlParameter { Value = table } },
        };
        var types = new Dictionary<string, (string, bool)>(StringComparer.Ordinal);
        using var rows = command.ExecuteReader();
        while (rows.Read())
        {
            types.Add(rows.GetString(0), (rows.GetString(1), rows.GetBoolean(2)));
        }

        return types;
    }
}
