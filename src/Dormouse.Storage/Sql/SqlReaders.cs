using System.Collections.Concurrent;

namespace Dormouse.Storage.Sql;

/// <summary>
/// Reading connections, opened when first needed and kept. Reads run on a pool thread: the caller's own may be one that waits for
/// sockets, and a report can take seconds.
/// </summary>
internal sealed class SqlReaders(Func<SqlSession> open) : IDisposable
{
    /// <summary>Most connections; further readers wait.</summary>
    private const int ConnectionsMax = 4;

    private readonly SemaphoreSlim _free = new(ConnectionsMax, ConnectionsMax);
    private readonly ConcurrentBag<SqlSession> _idle = [];
    private volatile bool _isDisposed;

    /// <summary>Takes a connection; it is given back when the lease is disposed.</summary>
    public async ValueTask<Lease> TakeAsync(CancellationToken cancellationToken)
    {
        await _free.WaitAsync(cancellationToken);
        try
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return new Lease(this, _idle.TryTake(out var session) ? session : open());
        }
        catch
        {
            _free.Release();
            throw;
        }
    }

    /// <exception cref="StoreUnavailableException">The database does not answer.</exception>
    public async Task<T> ReadAsync<T>(Func<SqlSession, T> body, CancellationToken cancellationToken)
    {
        using var lease = await TakeAsync(cancellationToken);
        return await Task.Run(() => Read(lease.Session, body), cancellationToken);
    }

    public void Dispose()
    {
        _isDisposed = true;
        while (_idle.TryTake(out var session))
        {
            session.Dispose();
        }
    }

    /// <summary>A connection that was idle may have ended meanwhile; a read changes nothing, so it is done again on another.</summary>
    private static T Read<T>(SqlSession session, Func<SqlSession, T> body)
    {
        for (var isAgain = false; ; isAgain = true)
        {
            try
            {
                return body(session);
            }
            catch (Exception e) when (session.Translate(e) is StoreUnavailableException)
            {
                if (isAgain || !session.TryRenew())
                {
                    throw session.Translate(e);
                }
            }
        }
    }

    private void GiveBack(SqlSession session)
    {
        if (_isDisposed || session.IsBroken)
        {
            session.Dispose();
        }
        else
        {
            _idle.Add(session);
        }

        _free.Release();
    }

    internal readonly struct Lease(SqlReaders owner, SqlSession session) : IDisposable
    {
        public SqlSession Session => session;

        public void Dispose() => owner.GiveBack(session);
    }
}
