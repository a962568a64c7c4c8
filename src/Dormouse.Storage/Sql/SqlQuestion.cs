using System.Data.Common;

namespace Dormouse.Storage.Sql;

/// <summary>Something that is asked of the database together with others (<see cref="SqlSession.Ask"/>).</summary>
internal abstract class SqlQuestion(string sql, (string Name, object? Value)[] values)
{
    public string Sql => sql;

    public (string Name, object? Value)[] Values => values;

    /// <summary>Reads the rows of its result, which the reader stands before.</summary>
    public abstract void Take(DbDataReader reader);
}

/// <summary>One whose rows are mapped.</summary>
internal sealed class SqlQuestion<T>(string sql, Func<DbDataReader, T> map, params (string Name, object? Value)[] values) : SqlQuestion(sql, values)
{
    /// <summary>Empty until it was asked.</summary>
    public List<T> Rows { get; } = [];

    public override void Take(DbDataReader reader)
    {
        while (reader.Read())
        {
            Rows.Add(map(reader));
        }
    }
}
