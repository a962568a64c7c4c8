using System.Globalization;
using System.Text;

namespace Dormouse.Storage.Postgres;

/// <summary>Statements and values as PostgreSQL wants them.</summary>
internal static class PostgresText
{
    /// <summary>The statement with its values by number, as PostgreSQL wants them.</summary>
    public static string Numbered(string sql, ReadOnlySpan<(string Name, object? Value)> values)
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

    /// <summary>The value as Npgsql takes it. Texts may hold no NUL in PostgreSQL; what had one shows that something was there.</summary>
    public static object Stored(object? value) => value switch
    {
        null => DBNull.Value,
        int number => (long)number,
        string text => Clean(text),
        string?[] texts => Array.ConvertAll(texts, static t => t is null ? null : Clean(t)),
        _ => value,
    };

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

    private static string Clean(string text) => text.Contains('\0', StringComparison.Ordinal) ? text.Replace('\0', '\uFFFD') : text;
}
