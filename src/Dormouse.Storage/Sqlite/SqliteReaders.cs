using System.Collections.Concurrent;

namespace Dormouse.Storage.Sqlite;

/// <summary>
/// Reading connections, opened when first needed and kept. Reads run on a pool thread: the caller's own may be one that waits for
/// sockets, and a report can take seconds.
/// </summary>
internal sealed class SqliteReaders(string path) : IDisposable
{
    /// <summary>Most connections; further readers wait.</summary>
    private const int ConnectionsMax = 4;

    private readonly SemaphoreSlim _free = new(ConnectionsMax, ConnectionsMax);
    private readonly ConcurrentBag<SqliteSession> _idle = [];
    private volatile bool _isDisposed;

    /// <summary>Takes a connection; it is given back when the lease is disposed.</summary>
    public async ValueTask<Lease> TakeAsync(CancellationToken cancellationToken)
    {
        await _free.WaitAsync(cancellationToken);
        try
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return new Lease(this, _idle.TryTake(out var session) ? session : SqliteSession.OpenReader(path));
        }
        catch
        {
            _free.Release();
            throw;
        }
    }

    public async Task<T> ReadAsync<T>(Func<SqliteSession, T> body, CancellationToken cancellationToken)
    {
        using var lease = await TakeAsync(cancellationToken);
        return await Task.Run(() => body(lease.Session), cancellationToken);
    }

    public void Dispose()
    {
        _isDisposed = true;
        while (_idle.TryTake(out var session))
        {
            session.Dispose();
        }
    }

    private void GiveBack(SqliteSession session)
    {
        if (_isDisposed)
        {
            session.Dispose();
        }
        else
        {
            _idle.Add(session);
        }

        _free.Release();
    }

    internal readonly struct Lease(SqliteReaders owner, SqliteSession session) : IDisposable
    {
        public SqliteSession Session => session;

        public void Dispose() => owner.GiveBack(session);
    }
}
