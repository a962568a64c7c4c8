using System.Runtime.InteropServices;
using System.Threading.Channels;

namespace Dormouse.Storage.Sql;

/// <summary>
/// The only writer of a server. Operations that wait at the same time share one transaction and one flush of the disk; one that fails takes nothing of the others with it, because each
/// runs under a savepoint, or, where savepoints cost, because the others are then run again without it. A caller is answered after the commit: what it was told is durable.
/// </summary>
internal sealed class SqlWriter : IAsyncDisposable
{
    /// <summary>Most operations in one transaction.</summary>
    public const int BatchMax = 1_000;

    /// <summary>Most operations that wait; further callers wait to be let in.</summary>
    public const int QueueMax = 4_096;

    private readonly SqlSession _session;
    private readonly Channel<WriteOperation> _queue = Channel.CreateBounded<WriteOperation>(new BoundedChannelOptions(QueueMax) { SingleReader = true });
    private readonly Task _loop;
    private StoreUnavailableException? _away;

    public SqlWriter(SqlSession session)
    {
        _session = session;
        _loop = Task.Run(RunAsync);
    }

    /// <summary>
    /// Runs <paramref name="body"/> in a transaction and returns when it is durable. The body must be free of effects outside the session: it is run
    /// again when the batch it was in failed as a whole. A cancelled operation has not been done.
    /// </summary>
    /// <exception cref="StorageFullException">The disk is full; nothing was done.</exception>
    public async Task<T> RunAsync<T>(Func<SqlSession, T> body, CancellationToken cancellationToken)
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

                Commit(CollectionsMarshal.AsSpan(batch));
                if (_away is { } away)
                {
                    // Who waits already would find the same, one long wait later each.
                    while (_queue.Reader.TryRead(out var operation))
                    {
                        operation.Fail(away);
                    }

                    _away = null;
                }

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

    private void Commit(ReadOnlySpan<WriteOperation> batch)
    {
        try
        {
            _session.Begin();
            foreach (var operation in batch)
            {
                Run(operation);
            }

            _session.Commit();
        }
        catch (Exception e)
        {
            _session.Undo();
            Retry(batch, _session.Translate(e));
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

    /// <summary>
    /// The transaction as a whole is lost. One operation may have failed or have been too large for the disk, so each half gets a transaction of its own; alone, it has failed.
    /// When the database does not answer, nothing is tried again: nobody knows whether the transaction was made.
    /// </summary>
    private void Retry(ReadOnlySpan<WriteOperation> batch, Exception error)
    {
        if (batch.Length > 1 && error is not StoreUnavailableException)
        {
            Commit(batch[..(batch.Length / 2)]);
            Commit(batch[(batch.Length / 2)..]);
            return;
        }

        _away = error as StoreUnavailableException;
        foreach (var operation in batch)
        {
            if (!operation.IsTold)
            {
                operation.Fail(error);
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

        if (!_session.HasParts)
        {
            operation.Run(_session);
            return;
        }

        _session.BeginPart();
        try
        {
            operation.Run(_session);
        }
        catch (Exception e) when (!_session.IsOutsideTransaction)
        {
            _session.UndoPart();
            operation.Fail(_session.Translate(e));
        }

        _session.EndPart();
    }
}
