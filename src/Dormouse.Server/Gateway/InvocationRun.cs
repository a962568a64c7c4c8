using Dormouse.Core.Dispatch;
using Dormouse.Core.Usage;
using Dormouse.Server.Dispatch;
using Dormouse.Server.Usage;

namespace Dormouse.Server.Gateway;

/// <summary>One attempt of an invocation on one instance: ends the slot and writes the receipt, in this order and once.</summary>
internal sealed class InvocationRun(
    Invocation invocation, HttpMessageInvoker invoker, DispatchService dispatch, InvocationRecorder recorder, CancellationToken callerLeft)
{
    public Invocation Invocation => invocation;

    /// <summary>Connections to the instance.</summary>
    public HttpMessageInvoker Invoker => invoker;

    public bool HasCallerLeft => callerLeft.IsCancellationRequested;

    /// <summary>The run's own limit; the answer's transfer after the run is not bound by it.</summary>
    public required RunDeadline Deadline { get; init; }

    /// <summary>The instance answered and says that its run ended: the slot is free before the caller has read a byte.</summary>
    public Receipt RunEnded(int status, long runMicroseconds, long cpuMicroseconds)
    {
        Deadline.Lift();
        return Close(SlotEnd.Completed, OutcomeOf(status), HasCallerLeft ? 0 : status, runMicroseconds, cpuMicroseconds);
    }

    /// <summary>The last byte of an answer came whose instance does not measure its runs: the gateway measured it.</summary>
    public Receipt AnswerEnded(int status) => RunEnded(status, recorder.ElapsedMicroseconds(invocation), 0);

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

    private Outcome OutcomeOf(int status) =>
        HasCallerLeft ? Outcome.CallerLeft : status is >= 400 and < 500 ? Outcome.Rejected : Outcome.Completed;

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

        return recorder.Close(invocation, new InvocationEnd(outcome, status, runMicroseconds, cpuMicroseconds, metered));
    }
}
