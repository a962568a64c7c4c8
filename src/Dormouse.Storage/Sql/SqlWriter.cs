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
    public Task<T> RunAsync<T>(Func<SqlSession, T> body, CancellationToken cancellationToken) => RunAsync(new SingleOperation<T>(body, cancellationToken), cancellationToken);

    /// <summary>The same for a part of something that is done together for all who wait for it at the same time. Callers who wait side by side have no order among themselves.</summary>
    public Task<T> RunAsync<TPart, T>(JointBody<TPart, T> body, TPart part, CancellationToken cancellationToken) =>
        RunAsync(new JointOperation<TPart, T>(body, part, cancellationToken), cancellationToken);

    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _loop;
        _session.Dispose();
    }

    private async Task<T> RunAsync<T>(WriteOperation<T> operation, CancellationToken cancellationToken)
    {
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

                JoinAlike(batch);
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

    /// <summary>Moves each operation of a kind behind the first of its kind: who waits side by side has no order, and together they cost less.</summary>
    private static void JoinAlike(List<WriteOperation> batch)
    {
        var kinds = 0;
        object? last = null;
        foreach (var operation in batch)
        {
            kinds += operation.Kind is { } kind && kind != last ? 1 : 0;
            last = operation.Kind;
        }

        if (kinds < 2)
        {
            return;
        }

        var places = new Dictionary<object, int>();
        var ordered = batch.Select((operation, index) => (operation, index)).OrderBy(o => o.operation.Kind is { } kind ? Place(kind, o.index) : o.index).Select(o => o.operation).ToList();
        batch.Clear();
        batch.AddRange(ordered);

        int Place(object kind, int index) => places.TryGetValue(kind, out var first) ? first : places[kind] = index;
    }

    private void Commit(ReadOnlySpan<WriteOperation> batch)
    {
        try
        {
            _session.Begin();
            for (var rest = batch; !rest.IsEmpty;)
            {
                var alike = Alike(rest);
                Run(rest[..alike]);
                rest = rest[alike..];
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

    /// <summary>How many at the beginning are of one kind.</summary>
    private static int Alike(ReadOnlySpan<WriteOperation> operations)
    {
        var count = 1;
        while (operations[0].Kind is { } kind && count < operations.Length && operations[count].Kind == kind)
        {
            count++;
        }

        return count;
    }

    private void Run(ReadOnlySpan<WriteOperation> alike)
    {
        if (alike.Length == 1 || !TryRunTogether(alike))
        {
            foreach (var operation in alike)
            {
                Run(operation);
            }
        }
    }

    /// <summary>False when one of them failed and what they did is undone: each by itself is to show which. Where nothing can be undone alone, the error ends the transaction.</summary>
    private bool TryRunTogether(ReadOnlySpan<WriteOperation> alike)
    {
        var wanted = new List<WriteOperation>(alike.Length);
        foreach (var operation in alike)
        {
            if (!operation.IsTold && !operation.IsCancelled)
            {
                wanted.Add(operation);
            }
        }

        if (wanted.Count < 2)
        {
            return false;
        }

        if (!_session.HasParts)
        {
            wanted[0].RunTogether(_session, wanted);
            CancelRest(alike, wanted);
            return true;
        }

        _session.BeginPart();
        var isDone = true;
        try
        {
            wanted[0].RunTogether(_session, wanted);
        }
        catch (Exception) when (!_session.IsOutsideTransaction)
        {
            _session.UndoPart();
            isDone = false;
        }

        _session.EndPart();
        if (isDone)
        {
            CancelRest(alike, wanted);
        }

        return isDone;
    }

    /// <summary>Tells those who had left before the others ran.</summary>
    private static void CancelRest(ReadOnlySpan<WriteOperation> alike, List<WriteOperation> wanted)
    {
        var next = 0;
        foreach (var operation in alike)
        {
            if (next < wanted.Count && wanted[next] == operation)
            {
                next++;
            }
            else if (!operation.IsTold)
            {
                operation.Cancel();
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
