using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Drill;

/// <summary>
/// All calls are copied to a revision that answers otherwise. Promised: callers get the answers of the revision that has the traffic (each answer is judged for that), every call is
/// copied or counted, every copy that was answered is found different, and each that ran has a receipt that says what it is.
/// </summary>
internal sealed class MirrorAct(DrillEndpoint endpoint, DrillReceipts receipts, DrillPromises promises, TimeProvider time)
{
    /// <summary>A copy waits 30 s for a slot at most, and then runs.</summary>
    private static readonly TimeSpan CopiesLimit = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(50);

    /// <param name="callAsync">Calls the endpoint, and returns how many calls were answered well.</param>
    public async Task PlayAsync(string act, Func<CancellationToken, Task<int>> callAsync, CancellationToken cancellationToken)
    {
        await endpoint.MirrorAsync(cancellationToken);
        var before = (await receipts.LookAsync(cancellationToken)).Count(r => r.Mirror);
        var answered = await callAsync(cancellationToken);
        var seen = await CountedAsync(answered, cancellationToken);
        await endpoint.EndMirrorAsync(cancellationToken);

        promises.Check(Chosen(seen) == answered, act, $"{answered} calls were answered and {Chosen(seen)} copied or counted");
        promises.Check(seen.DifferentBody == seen.Compared, act, $"{seen.Compared} copies were answered by a revision that answers otherwise, and {seen.DifferentBody} were found different");
        // A call may have been refused, but one that is answered must be copied where there is room for 32.
        promises.Check(seen.Compared > 0 || answered == 0, act, $"no copy was answered ({seen.Dropped} dropped, {seen.Unanswered} without an answer)");
        var copies = (await receipts.LookAsync(cancellationToken)).Count(r => r.Mirror) - before;
        promises.Check(copies >= seen.Compared, act, $"{seen.Compared} copies were answered and {copies} have a receipt");
    }

    /// <summary>What is seen of the mirror when every copy has ended, or when that takes too long.</summary>
    private async Task<MirrorInfo> CountedAsync(int answered, CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        while (true)
        {
            var seen = await endpoint.MirrorInfoAsync(cancellationToken) ?? throw CommandException.Failed("drill_disturbed", $"Somebody else has taken the mirror of {endpoint.Name} away.");
            if (Chosen(seen) >= answered || time.GetElapsedTime(start) > CopiesLimit)
            {
                return seen;
            }

            await Task.Delay(LookAgain, time, cancellationToken);
        }
    }

    private static long Chosen(MirrorInfo seen) => seen.Compared + seen.Unanswered + seen.Dropped + seen.NotMirrored;
}
