using Dormouse.Server.Rollouts;

namespace Dormouse.Server.Gateway;

/// <summary>An instance's answer, read through: says that the last byte came before it hands that byte on.</summary>
/// <param name="lengthBytes">Content-Length, or null when the end shows only by a read of 0.</param>
/// <param name="deadline">Told when a part is handed on and when the next is asked for, which is when the caller has taken it.</param>
/// <param name="capture">Takes the answer down; null = nobody does.</param>
internal sealed class AnswerWatchStream(Stream answer, long? lengthBytes, RunDeadline deadline, Action ended, MirrorCapture? capture = null) : ForwardOnlyStream
{
    private long _readBytes;
    private bool _hasEnded;
    private bool _isGiven;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_isGiven)
        {
            _isGiven = false;
            deadline.PartTaken();
        }

        var count = await answer.ReadAsync(buffer, cancellationToken);
        _readBytes += count;
        capture?.Add(buffer.Span[..count]);
        // The forwarder first reads into an empty buffer, to learn that something came: a 0 then is no end.
        if (!_hasEnded && ((count == 0 && buffer.Length > 0) || _readBytes == lengthBytes))
        {
            _hasEnded = true;
            ended();
        }

        if (!_hasEnded && count > 0)
        {
            _isGiven = true;
            deadline.PartGiven();
        }

        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            answer.Dispose();
        }

        base.Dispose(disposing);
    }
}
