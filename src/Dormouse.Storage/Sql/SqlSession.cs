using System.Data.Common;
using Dormouse.Core.Sharing;

namespace Dormouse.Storage.Sql;

/// <summary>
/// One connection with its prepared statements, used by one thread at a time. Statements are written once, in what SQLite and PostgreSQL both understand, with values named
/// <c>$name</c>; each session gives them to its database in that one's way. A statement must be read to its end before another is run.
/// </summary>
/// <remarks>
/// Values are <see cref="long"/>, <see cref="int"/>, <see cref="string"/>, <see cref="Guid"/>, byte arrays or null. Each that is given must occur in the statement, and a null must stand where
/// the statement says its type: in a column's place, not in <c>$x IS NULL</c>.
/// </remarks>
internal abstract class SqlSession : IDisposable
{
    /// <summary>True when the connection is of no use any more; whoever keeps it throws it away.</summary>
    public virtual bool IsBroken => false;

    /// <summary>After an error: false when another try would find the same; true when the connection had worked before it broke, and the next use makes a new one.</summary>
    public virtual bool TryRenew() => false;

    /// <summary>True when what one operation of a transaction did can be undone alone, at little cost.</summary>
    public abstract bool HasParts { get; }

    /// <summary>
    /// True when a value may be an array that <c>unnest</c> turns into rows, so that one statement writes many: where each statement is a trip to another process. Elsewhere one after the
    /// other is as good.
    /// </summary>
    public virtual bool TakesArrays => false;

    /// <summary>True while no transaction is open: some errors end it.</summary>
    public abstract bool IsOutsideTransaction { get; }

    /// <summary>True when other servers may use the database as well.</summary>
    public abstract bool IsShared { get; }

    /// <summary>The database, its version and that of the schema, for people.</summary>
    public abstract string Describe();

    /// <summary>What the database itself finds wrong with its files, as sentences.</summary>
    public abstract IReadOnlyList<string> Inspect();

    /// <summary>Begins a transaction that writes. No other one that writes, of this server or another, is open until it ends.</summary>
    public abstract void Begin();

    public abstract void Commit();

    /// <summary>Part of a transaction that changes what servers keep in memory: the others hear of it when it commits. Nothing where there are no others.</summary>
    public virtual void Tell(SharedKind kind, string subject)
    {
    }

    /// <summary>Undoes the transaction when one is open.</summary>
    public abstract void Undo();

    public abstract void BeginPart();

    public abstract void UndoPart();

    public abstract void EndPart();

    /// <summary>Runs reads that all see the database as it was at the first of them.</summary>
    public abstract T AtOneMoment<T>(Func<T> reads);

    /// <summary>What an error means to callers: <see cref="StorageFullException"/>, <see cref="StoreUnavailableException"/>, or itself.</summary>
    public abstract Exception Translate(Exception error);

    /// <summary>Runs statements that return nothing and take no values.</summary>
    public abstract void Script(string sql);

    /// <summary>Number of rows that a statement changed.</summary>
    public abstract int Execute(string sql, params ReadOnlySpan<(string Name, object? Value)> values);

    /// <summary>
    /// A statement of a transaction that returns no rows and of which nobody asks what it changed: it may wait for the next one that is waited for, or for the commit, and go with that. What is
    /// wrong with it is told then. Outside a transaction it is done at once.
    /// </summary>
    public virtual void Later(string sql, params ReadOnlySpan<(string Name, object? Value)> values) => Execute(sql, values);

    public abstract DbDataReader Read(string sql, params ReadOnlySpan<(string Name, object? Value)> values);

    /// <summary>
    /// Asks what can be asked before any of the answers is known, one after the other: a later one sees what an earlier one changed. Where a question is a trip to another process all are one.
    /// </summary>
    public virtual void Ask(IReadOnlyList<SqlQuestion> questions)
    {
        foreach (var question in questions)
        {
            using var reader = Read(question.Sql, question.Values);
            question.Take(reader);
        }
    }

    /// <summary>The first row, mapped; default when there is none.</summary>
    public T? First<T>(string sql, Func<DbDataReader, T> map, params ReadOnlySpan<(string Name, object? Value)> values)
    {
        using var reader = Read(sql, values);
        return reader.Read() ? map(reader) : default;
    }

    public List<T> All<T>(string sql, Func<DbDataReader, T> map, params ReadOnlySpan<(string Name, object? Value)> values)
    {
        using var reader = Read(sql, values);
        var rows = new List<T>();
        while (reader.Read())
        {
            rows.Add(map(reader));
        }

        return rows;
    }

    public long Number(string sql, params ReadOnlySpan<(string Name, object? Value)> values) => First(sql, r => r.GetInt64(0), values);

    /// <summary>True when the statement has a row.</summary>
    public bool Has(string sql, params ReadOnlySpan<(string Name, object? Value)> values)
    {
        using var reader = Read(sql, values);
        return reader.Read();
    }

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);
}
