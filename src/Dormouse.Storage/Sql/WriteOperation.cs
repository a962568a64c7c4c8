namespace Dormouse.Storage.Sql;

/// <summary>One caller's piece of a group commit. It may run more than once, but its outcome is told once, after the commit.</summary>
internal abstract class WriteOperation(CancellationToken cancellationToken)
{
    public bool IsTold { get; protected set; }

    /// <summary>True when the caller left before it ran; then it must not run.</summary>
    public bool IsCancelled => cancellationToken.IsCancellationRequested;

    /// <summary>Operations that wait side by side and are of one kind run together; null = it runs alone.</summary>
    public virtual object? Kind => null;

    protected CancellationToken CancellationToken => cancellationToken;

    public abstract void Run(SqlSession session);

    /// <summary>Runs several of this one's kind, this one among them.</summary>
    public virtual void RunTogether(SqlSession session, IReadOnlyList<WriteOperation> alike) => throw new NotSupportedException("An operation without a kind runs alone.");

    public abstract void Acknowledge();

    public abstract void Fail(Exception error);

    public abstract void Cancel();
}

internal abstract class WriteOperation<T>(CancellationToken cancellationToken) : WriteOperation(cancellationToken)
{
    private readonly TaskCompletionSource<T> _told = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<T> Completion => _told.Task;

    /// <summary>Set by running it.</summary>
    protected T? Result { get; set; }

    public override void Acknowledge()
    {
        IsTold = true;

        // Only called after Run has set the result.
        _told.TrySetResult(Result!);
    }

    public override void Fail(Exception error)
    {
        IsTold = true;
        _told.TrySetException(error);
    }

    public override void Cancel()
    {
        IsTold = true;
        _told.TrySetCanceled(CancellationToken);
    }
}

/// <summary>An operation of its own.</summary>
internal sealed class SingleOperation<T>(Func<SqlSession, T> body, CancellationToken cancellationToken) : WriteOperation<T>(cancellationToken)
{
    public override void Run(SqlSession session) => Result = body(session);
}

/// <summary>What many callers wish at once and costs less when it is done for all of them. Returns an outcome for each part, in order.</summary>
internal delegate IReadOnlyList<T> JointBody<in TPart, out T>(SqlSession session, IReadOnlyList<TPart> parts);

/// <summary>One caller's part of a joint operation. Its kind is the body: the very same one, not an equal one.</summary>
internal sealed class JointOperation<TPart, T>(JointBody<TPart, T> body, TPart part, CancellationToken cancellationToken) : WriteOperation<T>(cancellationToken)
{
    public override object Kind => body;

    public override void Run(SqlSession session) => Result = body(session, [part])[0];

    public override void RunTogether(SqlSession session, IReadOnlyList<WriteOperation> alike)
    {
        var operations = alike.Cast<JointOperation<TPart, T>>().ToList();
        var results = body(session, [.. operations.Select(o => o.Part)]);
        for (var i = 0; i < operations.Count; i++)
        {
            operations[i].Result = results[i];
        }
    }

    private TPart Part => part;
}
