namespace Dormouse.Core.Dispatch;

/// <summary>
/// Attempts of one invocation that ended without an answer, and whether another one may follow. An instance that ended by itself may have ended
/// because of this very run, so that is tried only once more; one that somebody killed, or that never took the request in, says nothing of the run.
/// </summary>
/// <param name="Crashed">Ended because the instance ended by itself, or for a reason that nobody knows.</param>
/// <param name="Interrupted">Ended because the instance was killed from outside, or could not be reached at all.</param>
public readonly record struct Attempts(int Crashed, int Interrupted)
{
    /// <summary>Attempts of one invocation in all.</summary>
    public const int Max = 5;

    /// <summary>Attempts that may crash.</summary>
    public const int CrashesMax = 2;

    /// <summary>With one more attempt that ended without an answer.</summary>
    public Attempts With(bool wasInterrupted) => wasInterrupted ? this with { Interrupted = Interrupted + 1 } : this with { Crashed = Crashed + 1 };

    /// <summary>One silent retry is always free; more only while the waiting of all attempts together is less than one alone may wait.</summary>
    /// <param name="waited">How long the invocation has waited for its slots.</param>
    /// <param name="queueTimeout">See <see cref="Endpoints.RevisionSpec.QueueTimeout"/>.</param>
    public bool MayFollow(TimeSpan waited, TimeSpan queueTimeout) =>
        Crashed < CrashesMax && Crashed + Interrupted < Max && (Crashed + Interrupted == 1 || waited < queueTimeout);
}
