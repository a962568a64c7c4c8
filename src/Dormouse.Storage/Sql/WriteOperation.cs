namespace Dormouse.Storage.Sql;

/// <summary>One caller's piece of a group commit. It may run more than once, but its outcome is told once, after the commit.</summary>
internal abstract class WriteOperation(CancellationToken cancellationToken)
{
    public bool IsTold { get; protected set; }

    /// <summary>True when the caller left before it ran; then it must not run.</summary>
    public bool IsCancelled => cancellationToken.IsCancellationRequested;

    protected CancellationToken CancellationToken => cancellationToken;

    public abstract void Run(SqlSession session);

    public abstract void Acknowledge();

    public abstract void Fail(Exception error);

    public abstract void Cancel();
}

internal sealed class WriteOperation<T>(Func<SqlSession, T> body, CancellationToken cancellationToken) : WriteOperation(cancellationToken)
{
    private readonly TaskCompletionSource<T> _told = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private T? _result;

    public Task<T> Completion => _told.Task;

    public override void Run(SqlSession session) => _result = body(session);

    public override void Acknowledge()
    {
        IsTold = true;

        // Only called after Run has set the result.
        _told.TrySetResult(_result!);
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
