using Dormouse.Core.Overflow;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Gateway;

namespace Dormouse.Server.Overflow;

/// <summary>What is told of overflows that went wrong.</summary>
internal static class OverflowFault
{
    /// <summary>Why an invocation that came by overflow is not taken.</summary>
    public static Problem Of(HopsFault fault) => fault switch
    {
        HopsFault.Loop => new(
            ProblemCode.OverflowLoop,
            "The invocation has overflowed from this server and came back to it: the overflow addresses on its way form a loop. Nothing was run. Change one of them."),
        HopsFault.TooFar => new(
            ProblemCode.OverflowLoop,
            $"The invocation has overflowed more than {Hops.Most} times; allowed are {Hops.Most}. Nothing was run. Look at the overflow addresses on its way."),
        _ => new(
            ProblemCode.RequestInvalid, "The header Dormouse-Hops names no servers; servers set it whose invocations overflow, and nobody else."),
    };

    /// <summary>Decides what became of an invocation that the address did not answer as it should. Null = nobody took it.</summary>
    /// <param name="isUnaccounted">Its answer is there and cannot be accounted for.</param>
    /// <param name="fault">Why there is none, or not all of it.</param>
    public static RunEnd? Judge(OverflowRun run, bool isUnaccounted, Exception? fault)
    {
        if (run.HasCallerLeft)
        {
            return RunEnd.CallerLeft.Instance;
        }

        if (isUnaccounted)
        {
            run.Why = "the journal is full";
            return new RunEnd.Failed(new Problem(
                ProblemCode.LedgerUnavailable, $"{run.Policy.Host} has answered, but the journal of invocations is full because receipts cannot be stored, so the answer is not handed out.", TimeSpan.FromSeconds(5)));
        }

        if (run.Invocation.Sequence is not null)
        {
            run.Why = "its answer broke off";
            return new RunEnd.Cut(new Problem(ProblemCode.OverflowFailed, $"The answer of {run.Policy.Host}, to which the invocation had overflowed, broke off."));
        }

        if (OverflowLanes.IsUnreached(fault))
        {
            run.Why = "it could not be reached";
            return null;
        }

        run.Why = run.Deadline.HasPassed ? "it did not answer in time" : "it broke the connection";
        return new RunEnd.Failed(new Problem(
            ProblemCode.OverflowFailed,
            $"There was no capacity here, and {run.Policy.Host}, to which the invocation overflowed, {(run.Deadline.HasPassed ? "did not answer in time" : "gave no answer")}. It may have run there, so it was not run here as well."));
    }
}
