using Dormouse.Core.Overflow;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Overflow;

namespace Dormouse.Server.Gateway;

/// <summary>How one attempt to have a run answered ended.</summary>
internal enum AttemptEnd
{
    /// <summary>The instance answered; the receipt is written.</summary>
    Answered,

    /// <summary>The connection to the instance broke, or the deadline passed, before its answer began.</summary>
    Broken,

    /// <summary>No connection to the instance could be made: it has not seen the request.</summary>
    NotTaken,

    /// <summary>The same after the answer began: the caller saw part of it.</summary>
    BrokenInAnswer,

    /// <summary>The caller's own body failed while it was being sent on.</summary>
    BodyFailed,
}

/// <summary>
/// One request and its answer as the runner sees them: HTTP and gRPC differ only here. It sends the request to an instance and must have the receipt
/// written (<see cref="InvocationRun"/>) before the caller can see the end of the answer.
/// </summary>
internal abstract class Exchange
{
    /// <summary>Bytes of the body as far as they are known.</summary>
    public abstract long BodyBytes { get; }

    /// <summary>The whole body is kept and the run may be repeated.</summary>
    public abstract bool CanRepeat { get; }

    /// <summary><see cref="WhileWaitingAsync"/> reads on and may find that the body fails.</summary>
    public virtual bool MayFailWaiting => false;

    /// <summary>It can be sent to this overflow address.</summary>
    public virtual bool CanOverflowTo(OverflowPolicy policy) => false;

    /// <summary>Set when an attempt ended with <see cref="AttemptEnd.BodyFailed"/> or <see cref="WhileWaitingAsync"/> said so.</summary>
    public Problem? BodyProblem { get; protected set; }

    /// <summary>Called when no slot is free; takes in more of the body until <paramref name="grant"/> ends. False when the body failed.</summary>
    public virtual ValueTask<bool> WhileWaitingAsync(Task<SlotResult> grant) => new(true);

    /// <summary>Sends the request to the instance of the run's slot and its answer to the caller.</summary>
    /// <param name="deadline">Fires when the run's time is up: the exchange stops and says that it broke.</param>
    public abstract ValueTask<AttemptEnd> SendAsync(InvocationRun run, CancellationToken deadline);

    /// <summary>Called before it is sent to an overflow address: takes in what is still to come of the body, since it must be sent again when nobody takes it. False when the body failed.</summary>
    /// <param name="limit">For how long the caller may be waited for in all.</param>
    /// <exception cref="OperationCanceledException">The caller left.</exception>
    public virtual ValueTask<bool> BeforeOverflowAsync(TimeSpan limit) => new(true);

    /// <summary>Sends the request to an overflow address and its answer to the caller. Only when <see cref="CanOverflowTo"/> and <see cref="BeforeOverflowAsync"/> say so.</summary>
    /// <returns>Null when nobody took it: nothing has run, nothing was sent to the caller.</returns>
    public virtual ValueTask<RunEnd?> OverflowAsync(OverflowRun run, CancellationToken deadline) =>
        throw new InvalidOperationException("This exchange cannot overflow.");
}
