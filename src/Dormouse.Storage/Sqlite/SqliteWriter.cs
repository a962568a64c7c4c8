using System.Threading.Channels;

namespace Dormouse.Storage.Sqlite;

/// <summary>
/// The only writer of the database. Operations that wait at the same time share one transaction and one flush of the disk; each runs under a
/// savepoint, so that one that fails takes nothing of the others with it. A caller is answered after the commit: what it was told is durable.
/// </summary>
internal sealed class SqliteWriter : IAsyncDisposable
{
    /// <summary>Most operations in one transaction.</summary>
    public const int BatchMax = 1_000;

    /// <summary>Most operations that wait; further callers wait to be let in.</summary>
    public const int QueueMax = 4_096;

    private readonly SqliteSession _session;
    private readonly Channel<WriteOperation> _queue = Channel.CreateBounded<WriteOperation>(new BoundedChannelOptions(QueueMax) { SingleReader = true });
    private readonly Task _loop;

    public SqliteWriter(SqliteSession session)
    {
        _session = session;
        _loop = Task.Run(RunAsync);
    }

    /// <summary>
    /// Runs <paramref name="body"/> in a transaction and returns when it is durable. The body must be free of effects outside the session: it is run
    /// again when the batch it was in failed as a whole. A cancelled operation has not been done.
    /// </summary>
    /// <exception cref="StorageFullException">The disk is full; nothing was done.</exception>
    public async Task<T> RunAsync<T>(Func<SqliteSession, T> body, CancellationToken cancellationToken)
    {
        var operation = new WriteOperation<T>(body, cancellationToken);
        try
        {
            await _queue.Writer.WriteAsync(operation, cancellationToken);
        }
        catch (ChannelClosedException e)
        {
            throw new ObjectDisposedException("The store is closed.", e);
        }

        return await operation.Completion;
    }

    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _loop;
        _session.Dispose();
    }

    private async Task RunAsync()
    {
        var batch = new List<WriteOperation>(BatchMax);
        try
        {
            while (await _queue.Reader.WaitToReadAsync(CancellationToken.None))
            {
                while (batch.Count < BatchMax && _queue.Reader.TryRead(out var operation))
                {
                    batch.Add(operation);
                }

                Commit(batch);
                batch.Clear();
            }
        }
        finally
        {
            // Reached early only when not even a rollback worked: then nobody may be left waiting for an answer.
            _queue.Writer.TryComplete();
            batch.RemoveAll(o => o.IsTold);
            while (_queue.Reader.TryRead(out var operation))
            {
                batch.Add(operation);
            }

            batch.ForEach(o => o.Fail(new IOException("The database connection is broken; restart the server.")));
        }
    }

    private void Commit(List<WriteOperation> batch)
    {
        try
        {
            _session.Execute("BEGIN IMMEDIATE");
            foreach (var operation in batch)
            {
                Run(operation);
            }

            _session.Execute("COMMIT");
        }
        catch (Exception e)
        {
            // The transaction as a whole is lost. One operation may have been too large for the disk, so each gets a transaction of its own; alone, it has failed.
            Undo();
            Retry(batch, e);
            return;
        }

        foreach (var operation in batch)
        {
            if (!operation.IsTold)
            {
                operation.Acknowledge();
            }
        }
    }

    private void Retry(List<WriteOperation> batch, Exception error)
    {
        if (batch is [var single])
        {
            if (!single.IsTold)
            {
                single.Fail(SqliteErrors.Translate(error));
            }

            return;
        }

        foreach (var operation in batch)
        {
            if (!operation.IsTold)
            {
                Commit([operation]);
            }
        }
    }

    private void Run(WriteOperation operation)
    {
        if (operation.IsTold)
        {
            return;
        }

        if (operation.IsCancelled)
        {
            operation.Cancel();
            return;
        }

        _session.Execute("SAVEPOINT operation");
        try
        {
            operation.Run(_session);
        }
        catch (Exception e) when (!_session.IsOutsideTransaction)
        {
            _session.Execute("ROLLBACK TO operation");
            operation.Fail(SqliteErrors.Translate(e));
        }

        _session.Execute("RELEASE operation");
    }

    private void Undo()
    {
        if (!_session.IsOutsideTransaction)
        {
            _session.Execute("ROLLBACK");
        }
    }
}
