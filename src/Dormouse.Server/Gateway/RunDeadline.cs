namespace Dormouse.Server.Gateway;

/// <summary>
/// The time that one run may take. It stands still while the gateway waits for bytes of the caller: a slow sender is <see cref="BodyPace"/>'s to judge,
/// and his time is not the run's, which he may stretch by five minutes or its own length in all. After the run it bounds how long its answer may keep the
/// instance from being idle.
/// </summary>
internal sealed class RunDeadline : IDisposable
{
    /// <summary>How long a caller may take to read an answer after its run has ended, besides the time for its length.</summary>
    private static readonly TimeSpan TransferBase = TimeSpan.FromMinutes(10);

    /// <summary>How long a caller may take for the next part of an answer that is still on its way from the instance.</summary>
    public static readonly TimeSpan PartLimit = TimeSpan.FromSeconds(30);

    /// <summary>The pace that a long answer must be read at, bytes a second.</summary>
    private const long TransferBytesPerSecond = 64 << 10;

    private readonly Lock _state = new();
    private readonly CancellationTokenSource _source;
    private readonly TimeProvider _time;
    private TimeSpan _left;
    private long _runsSince;
    private bool _isPaused;
    private bool _hasRunEnded;
    private bool _isTransferring;

    public RunDeadline(TimeSpan limit, TimeProvider time)
    {
        _time = time;
        Limit = limit;
        _left = limit;
        _runsSince = time.GetTimestamp();
        _source = new CancellationTokenSource(limit, time);
        Token = _source.Token;
    }

    /// <summary>The time of the run.</summary>
    public TimeSpan Limit { get; }

    /// <summary>Fires when the time is up.</summary>
    public CancellationToken Token { get; }

    public bool HasPassed => Token.IsCancellationRequested;

    /// <summary>The caller is waited for.</summary>
    public void Pause()
    {
        lock (_state)
        {
            if (!_hasRunEnded && !_isPaused)
            {
                _isPaused = true;
                _left -= _time.GetElapsedTime(_runsSince);
                _source.CancelAfter(Timeout.InfiniteTimeSpan);
            }
        }
    }

    /// <summary>The caller has sent something.</summary>
    public void Resume()
    {
        lock (_state)
        {
            if (!_hasRunEnded && _isPaused)
            {
                _isPaused = false;
                _runsSince = _time.GetTimestamp();
                _source.CancelAfter(_left > TimeSpan.Zero ? _left : TimeSpan.Zero);
            }
        }
    }

    /// <summary>How long a caller may take to read an answer of so many bytes after its run has ended.</summary>
    public static TimeSpan TransferLimit(long answerBytes) => TransferBase + TimeSpan.FromSeconds(answerBytes / TransferBytesPerSecond);

    /// <summary>The run has ended: from now on <see cref="TransferLimit"/> counts.</summary>
    public void BeginTransfer(long answerBytes)
    {
        lock (_state)
        {
            if (!_hasRunEnded)
            {
                _hasRunEnded = true;
                _isTransferring = true;
                _left = TransferLimit(answerBytes);
                _runsSince = _time.GetTimestamp();
                _source.CancelAfter(_left);
            }
        }
    }

    /// <summary>The caller has a part of the answer to take before the next one is read.</summary>
    public void PartGiven() => LimitTransfer(PartLimit);

    /// <summary>He has taken it.</summary>
    public void PartTaken() => LimitTransfer(TimeSpan.MaxValue);

    private void LimitTransfer(TimeSpan most)
    {
        lock (_state)
        {
            if (_isTransferring && !_source.IsCancellationRequested)
            {
                var left = _left - _time.GetElapsedTime(_runsSince);
                _source.CancelAfter(left < TimeSpan.Zero ? TimeSpan.Zero : left < most ? left : most);
            }
        }
    }

    public void Dispose()
    {
        lock (_state)
        {
            // The body may still be read when the attempt is over.
            _hasRunEnded = true;
            _isTransferring = false;
            _source.Dispose();
        }
    }
}
