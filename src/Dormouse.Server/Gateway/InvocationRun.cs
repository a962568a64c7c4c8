using Dormouse.Core.Dispatch;
using Dormouse.Core.Usage;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Usage;

namespace Dormouse.Server.Gateway;

/// <summary>One attempt of an invocation on one instance: ends the slot and writes the receipt, in this order and once.</summary>
internal sealed class InvocationRun(
    Invocation invocation, HttpMessageInvoker invoker, DispatchService dispatch, InvocationRecorder recorder, CancellationToken callerLeft)
{
    /// <summary>The slot was given back and the instance still answers.</summary>
    private bool _isAnswering;

    public Invocation Invocation => invocation;

    /// <summary>Connections to the instance.</summary>
    public HttpMessageInvoker Invoker => invoker;

    public bool HasCallerLeft => callerLeft.IsCancellationRequested;

    /// <summary>The run's own limit, then that of its answer's transfer.</summary>
    public required RunDeadline Deadline { get; init; }

    /// <summary>
    /// The instance answered and says that its run ended: the slot is free before the caller has read a byte, the instance stays until <see cref="AnswerRead"/>.
    /// </summary>
    /// <param name="answerBytes">Length of the answer's body; 0 = not known.</param>
    public Receipt RunEnded(int status, long answerBytes, RunFigures figures)
    {
        Deadline.BeginTransfer(answerBytes);
        _isAnswering |= invocation.HoldsSlot;
        invocation.Batch = figures.Batch;
        return Close(SlotEnd.Answering, OutcomeOf(status), HasCallerLeft ? 0 : status, figures.RunMicroseconds, figures.CpuMicroseconds);
    }

    /// <summary>The last byte of an answer came whose instance does not measure its runs: the gateway measured it.</summary>
    public Receipt AnswerEnded(int status)
    {
        Deadline.BeginTransfer(0);
        return Close(SlotEnd.Completed, OutcomeOf(status), HasCallerLeft ? 0 : status, recorder.ElapsedMicroseconds(invocation), 0);
    }

    /// <summary>Nothing more is read from the instance in this attempt: the last byte came, or the attempt ended otherwise. Idempotent.</summary>
    public void AnswerRead()
    {
        if (_isAnswering)
        {
            _isAnswering = false;
            dispatch.AnswerLeft(invocation.Grant.Lease.Instance);
        }
    }

    /// <summary>The run failed. <paramref name="status"/> is what the caller is told.</summary>
    public Receipt Failed(SlotEnd end, Outcome outcome, int status) =>
        Close(end, outcome, HasCallerLeft ? 0 : status, recorder.ElapsedMicroseconds(invocation), 0);

    /// <summary>The run failed and will be tried again: the slot is given back, nothing is billed.</summary>
    public void GivenUp(SlotEnd end)
    {
        if (invocation.HoldsSlot)
        {
            invocation.HoldsSlot = false;
            dispatch.Release(invocation.Grant.Lease, end);
        }
    }

    private Outcome OutcomeOf(int status) => HasCallerLeft
        ? Outcome.CallerLeft
        : status switch
        {
            >= 500 => Outcome.Failed,
            >= 400 => Outcome.Rejected,
            _ => Outcome.Completed,
        };

    private Receipt Close(SlotEnd end, Outcome outcome, int status, long runMicroseconds, long cpuMicroseconds)
    {
        if (invocation.Receipt is { } written)
        {
            return written;
        }

        var metered = 0L;
        if (invocation.HoldsSlot)
        {
            invocation.HoldsSlot = false;
            metered = dispatch.Release(invocation.Grant.Lease, end);
        }

        return recorder.Close(invocation, new InvocationEnd(outcome, status, runMicroseconds, cpuMicroseconds, metered)
        {
            WaitMicroseconds = invocation.Batch?.WaitMicroseconds ?? 0,
        });
    }
}
