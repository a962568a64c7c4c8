using Dormouse.Worker.Control;

namespace Dormouse.Worker.Running;

/// <summary>Gives memory back to the system a second after the last run: buffers of the engine, and what the garbage collector holds.</summary>
internal sealed class IdleTrim : IDisposable
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(1);

    private readonly Func<bool> _isIdle;
    private readonly ITimer _timer;

    internal IdleTrim(Func<bool> isIdle, TimeProvider time)
    {
        _isIdle = isIdle;
        _timer = time.CreateTimer(static state => ((IdleTrim)state!).Trim(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>A run ended: the second starts anew.</summary>
    internal void Restart() => _timer.Change(Quiet, Timeout.InfiniteTimeSpan);

    public void Dispose() => _timer.Dispose();

    private void Trim()
    {
        if (_isIdle())
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            Heap.Trim();
        }
        else
        {
            Restart();
        }
    }
}
