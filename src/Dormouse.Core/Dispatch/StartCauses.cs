namespace Dormouse.Core.Dispatch;

/// <summary>Remembers how instances ended, to say why the next ones are started.</summary>
/// <param name="initial">Why a first instance would be started.</param>
internal sealed class StartCauses(StartCause initial)
{
    /// <summary>Why one would be started while none serves.</summary>
    private StartCause _fromZero = initial;

    /// <summary>Why the next <see cref="_toReplace"/> would be started while others serve.</summary>
    private StartCause _replacement = StartCause.Burst;
    private int _toReplace;

    /// <summary>One became ready: whatever comes from zero after it comes back.</summary>
    public void BecameReady() => _fromZero = StartCause.Idle;

    /// <summary>One was stopped because it had nothing to do: none is missed any more.</summary>
    public void Stopped()
    {
        _fromZero = StartCause.Idle;
        _toReplace = 0;
    }

    /// <summary>One was lost, killed or taken back.</summary>
    /// <param name="cause">Crash or Eviction.</param>
    public void Ended(StartCause cause)
    {
        _fromZero = cause;
        _toReplace = _replacement == cause ? _toReplace + 1 : 1;
        _replacement = cause;
    }

    /// <summary>Why the next instance is started.</summary>
    /// <param name="isFromZero">None serves or is starting for another reason than this batch.</param>
    public StartCause Next(bool isFromZero)
    {
        if (_toReplace > 0)
        {
            _toReplace--;
            return isFromZero ? _fromZero : _replacement;
        }

        return isFromZero ? _fromZero : StartCause.Burst;
    }
}
