using Dormouse.Protocol.Problems;
using Dormouse.Server.Dispatch;

namespace Dormouse.Server.Gateway;

/// <summary>How one attempt to have a run answered ended.</summary>
internal enum AttemptEnd
{
    /// <summary>The instance answered; the receipt is closed.</summary>
    Answered,

    /// <summary>The connection to the instance broke before its answer began.</summary>
    Broken,

    /// <summary>It broke after the answer began: the caller saw part of it.</summary>
    BrokenInAnswer,

    /// <summary>The caller's own body failed while it was being sent on.</summary>
    BodyFailed,
}

/// <summary>A refusal with its row of the catalogue.</summary>
internal sealed record Problem(ProblemCode Code, string Detail, TimeSpan? RetryAfter = null);

/// <summary>
/// One request and its answer as the runner sees them: HTTP and gRPC differ only here. It sends the request to an instance and must call
/// <see cref="InvocationRun.AnswerBegan"/> or <see cref="InvocationRun.AnswerEnded"/> before the caller can see the end of the answer.
/// </summary>
internal abstract class Exchange
{
    /// <summary>Bytes of the body as far as they are known.</summary>
    public abstract long BodyBytes { get; }

    /// <summary>The whole body is kept and the run may be repeated.</summary>
    public abstract bool CanRepeat { get; }

    /// <summary>Set when an attempt ended with <see cref="AttemptEnd.BodyFailed"/> or waiting failed.</summary>
    public Problem? BodyProblem { get; protected set; }

    /// <summary>Called while no slot is free; may take in more of the body. Ends with the grant, or early with <see cref="BodyProblem"/> set.</summary>
    public virtual async ValueTask WhileWaitingAsync(Task<SlotResult> grant) => await grant;

    /// <summary>Sends the request to the instance of the run's slot and its answer to the caller.</summary>
    /// <param name="deadline">Fires when the run's time is up; the exchange then stops and reports Broken or BrokenInAnswer.</param>
    public abstract ValueTask<AttemptEnd> SendAsync(InvocationRun run, CancellationToken deadline);
}
