using Dormouse.Core.Dispatch;
using Dormouse.Core.Usage;

namespace Dormouse.Core.Rollouts;

/// <summary>
/// What is counted of one side during a canary. Invocations whose caller left, those that a crash of the server took, those that an overflow address ran
/// and copies of other invocations say nothing of the revision and are not counted.
/// </summary>
public sealed class RevisionCounts
{
    /// <summary>Counted invocations.</summary>
    public int Samples { get; private set; }

    /// <summary>Failed by the revision's own fault: it failed, crashed, needed too much memory or time, or could not be started.</summary>
    public int Failed { get; private set; }

    /// <summary>It answered that the request is at fault (4xx).</summary>
    public int Rejected { get; private set; }

    /// <summary>Run times of those that completed without a cold start: a new revision starts cold more often, and a first run is slower than the next.</summary>
    public RunTimes Times { get; private init; } = new();

    /// <summary>Run times, without the start, of those that completed and had waited for a cold start.</summary>
    public RunTimes ColdTimes { get; private init; } = new();

    public void Count(Receipt receipt)
    {
        if (receipt.Outcome is Outcome.CallerLeft or Outcome.ServerLost || receipt.Start == StartKind.Overflow || receipt.IsMirror)
        {
            return;
        }

        Samples++;
        switch (receipt.Outcome)
        {
            case Outcome.Completed:
                (receipt.Start == StartKind.Cold ? ColdTimes : Times).Record(receipt.Times.RunMicroseconds);
                break;

            case Outcome.Rejected:
                Rejected++;
                break;

            default:
                Failed++;
                break;
        }
    }

    /// <summary>No instance of it came up for this invocation.</summary>
    public void CountFailedStart()
    {
        Samples++;
        Failed++;
    }

    public RevisionCounts Copy() => new() { Samples = Samples, Failed = Failed, Rejected = Rejected, Times = Times.Copy(), ColdTimes = ColdTimes.Copy() };
}
