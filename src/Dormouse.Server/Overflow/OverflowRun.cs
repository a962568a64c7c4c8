using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;
using Dormouse.Core.Overflow;
using Dormouse.Core.Usage;
using Dormouse.Server.Gateway;
using Dormouse.Server.Usage;

namespace Dormouse.Server.Overflow;

/// <summary>
/// One invocation at an overflow address. It is opened in the journal when the address has answered, before a header leaves, since until then it may still run
/// here; its receipt says <c>overflow</c>, meters nothing and is written before the caller has the last byte.
/// </summary>
internal sealed class OverflowRun(Invocation invocation, OverflowPolicy policy, InvocationRecorder recorder, CancellationToken callerLeft)
{
    public Invocation Invocation => invocation;

    public OverflowPolicy Policy => policy;

    public required HttpMessageInvoker Invoker { get; init; }

    /// <summary>Sent as bearer key; null = none.</summary>
    public required string? Key { get; init; }

    /// <summary>The header <c>Dormouse-Hops</c> for the next server.</summary>
    public required string Hops { get; init; }

    /// <summary>Until its answer is whole.</summary>
    public required RunDeadline Deadline { get; init; }

    /// <summary>What is left of the caller's own deadline; null when he did not say.</summary>
    public required TimeSpan? Left { get; init; }

    /// <summary>How long it waited here in vain.</summary>
    public required TimeSpan Waited { get; init; }

    /// <summary>Timestamp at which it was sent.</summary>
    public required long SentTimestamp { get; init; }

    public CancellationToken CallerLeft => callerLeft;

    public bool HasCallerLeft => callerLeft.IsCancellationRequested;

    /// <summary>Why it was not taken or failed; for people.</summary>
    public string? Why { get; set; }

    /// <summary>The address answers. False when the journal is full.</summary>
    public bool TryOpen()
    {
        invocation.Granted(new SlotGrant(0, default, StartKind.Overflow, null, Rung.None, Waited, TimeSpan.Zero, TimeSpan.Zero), SentTimestamp);
        invocation.HoldsSlot = false;
        return recorder.TryOpen(invocation);
    }

    /// <summary>It ended with this status of the address, or broke off.</summary>
    public void Close(int status, bool isWhole)
    {
        if (invocation.Sequence is null || invocation.Receipt is not null)
        {
            return;
        }

        var outcome = HasCallerLeft ? Outcome.CallerLeft
            : isWhole ? OutcomeOf(status)
            : Deadline.HasPassed ? Outcome.DeadlineExceeded
            : Outcome.Failed;
        recorder.Close(invocation, new InvocationEnd(outcome, HasCallerLeft ? 0 : status, recorder.ElapsedMicroseconds(invocation), 0, 0));
    }

    private static Outcome OutcomeOf(int status) => status switch
    {
        >= 500 => Outcome.Failed,
        >= 400 => Outcome.Rejected,
        _ => Outcome.Completed,
    };
}
