using Dormouse.Storage.Postgres;
using Dormouse.Storage.Sql;
using Dormouse.Storage.Sqlite;

namespace Dormouse.Storage.Tests.Support;

/// <summary>Tests that every store has to pass: on SQLite as they are, on PostgreSQL by a class that gives an address.</summary>
public abstract class StoreTests : IAsyncLifetime
{
    private protected TestFolder Folder { get; } = new();

    private protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => Folder.Options = Folder.Options with { Postgres = await NewAddressAsync() };

    public ValueTask DisposeAsync()
    {
        Folder.Dispose();
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    /// <summary>Null = SQLite.</summary>
    private protected virtual Task<PostgresAddress?> NewAddressAsync() => Task.FromResult<PostgresAddress?>(null);

    /// <summary>Changes the database past the store.</summary>
    private protected void Execute(string sql)
    {
        using var session = Session();
        session.Script(sql);
    }

    /// <summary>Counts past the store.</summary>
    private protected long Count(string sql)
    {
        using var session = Session();
        return session.First(sql, r => r.GetInt64(0));
    }

    private SqlSession Session() => Folder.Options.Postgres is { } address ? new PostgresSession(address) : SqliteSession.OpenWriter(Path.Combine(Folder.Data, "dormouse.db"));
}
