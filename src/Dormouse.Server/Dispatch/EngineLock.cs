namespace Dormouse.Server.Dispatch;

/// <summary>
/// The short lock around one engine. A decision takes well under a microsecond, a sleep and its wake-up thirty: who finds the lock taken looks again for a
/// bounded time before it sleeps, and a newcomer does not overtake those who look. Where there is one core it sleeps at once, since its owner cannot go on meanwhile.
/// </summary>
internal sealed class EngineLock
{
    /// <summary>Looks before sleeping: about as long as the sleep would take.</summary>
    private const int LooksMax = 400;

    /// <summary>Pauses of the processor before each look.</summary>
    private const int PausesPerLook = 2;

    private static readonly bool CanLookAgain = Environment.ProcessorCount > 1;
    private readonly Lock _lock = new();
    private int _looking;

    /// <summary>Waits for the lock; it is given back when the result is disposed.</summary>
    public Held Enter()
    {
        if (Volatile.Read(ref _looking) != 0 || !_lock.TryEnter())
        {
            EnterTaken();
        }

        return new Held(_lock);
    }

    private void EnterTaken()
    {
        if (CanLookAgain)
        {
            Interlocked.Increment(ref _looking);
            var entered = false;
            for (var look = 0; look < LooksMax && !entered; look++)
            {
                Thread.SpinWait(PausesPerLook);
                entered = _lock.TryEnter();
            }

            Interlocked.Decrement(ref _looking);
            if (entered)
            {
                return;
            }
        }

        _lock.Enter();
    }

    public readonly ref struct Held(Lock held)
    {
        public void Dispose() => held.Exit();
    }
}
