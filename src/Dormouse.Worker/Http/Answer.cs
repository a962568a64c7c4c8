using Dormouse.Worker.Running;

namespace Dormouse.Worker.Http;

/// <summary>A finished answer in a buffer of its own, which counts in the instance's backlog until it is sent.</summary>
internal sealed class Answer : IDisposable
{
    private readonly AnswerBacklog _backlog;
    private readonly PooledBuffer _body;
    private readonly int _heldBytes;
    private bool _isDisposed;

    /// <param name="body">Complete; it is disposed with the answer.</param>
    internal Answer(AnswerBacklog backlog, string contentType, PooledBuffer body, ModelRun run)
    {
        (_backlog, _body, ContentType, Times, Batch) = (backlog, body, contentType, run.Times, run.Batch);
        // What was written: the rest of a rented array, up to as much again, has hardly been touched.
        _heldBytes = body.Length;
        backlog.Hold(_heldBytes);
    }

    internal string ContentType { get; }

    internal RunTimes Times { get; }

    internal BatchPart? Batch { get; }

    /// <summary>Length of the JSON part when tensors follow it, bytes.</summary>
    internal int? JsonLength { get; init; }

    internal ReadOnlyMemory<byte> Body => _body.Written;

    public void Dispose()
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            _body.Dispose();
            _backlog.Release(_heldBytes);
        }
    }
}
